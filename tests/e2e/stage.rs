//! Where a test takes place: a server, a browser profile, and a browser.
//!
//! What always holds: whatever a test starts ends with it. When it fails, what pages, worker and
//! server have to say is in `target/e2e/<test>/`.

use std::any::type_name_of_val;
use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::FutureExt;
use serde_json::{Value, json};

use crate::browser::{Browser, Tab};
use crate::build::Build;
use crate::scratch::{Scratch, copy_folder};
use crate::server::{Receipt, Server};
use crate::site::{self, Site};
use crate::wait::{holds, secs, until};

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) server: Server,
    browser: Option<Browser>,
    second: Option<Browser>,
    /// What new tabs are without.
    without: &'static str,
    /// The last to go: browsers write to it as long as they run.
    home: Scratch,
}

/// Plays a test on a stage with this site; the server runs, the browser does not.
pub(crate) fn play(site: Site, test: impl AsyncFnOnce(&mut Stage)) {
    let name = type_name_of_val(&test).replace("::{{closure}}", "");
    let name = name.rsplit("::").next().unwrap_or("test").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be built").block_on(async move {
        let mut stage = Stage {
            server: Server::new(site),
            home: Scratch::new("home"),
            browser: None,
            second: None,
            without: "",
        };
        stage.server.start().await;
        let played = AssertUnwindSafe(tokio::time::timeout(TEST_MAX, test(&mut stage)));
        match played.catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                stage.record(&name).await;
                panic!("{name} did not end within {TEST_MAX:?}");
            }
            Err(fault) => {
                stage.record(&name).await;
                resume_unwind(fault);
            }
        }
    });
}

impl Stage {
    /// The browser; started on this stage's profile if it does not run.
    pub(crate) async fn browser(&mut self) -> &Browser {
        if self.browser.is_none() {
            let log = self.home.path().join("browser.log");
            self.browser = Some(Browser::start(&self.profile(), &log).await);
        }
        self.browser.as_ref().expect("it was just started")
    }

    /// Ends the browser at once.
    pub(crate) fn kill_browser(&mut self) {
        self.browser.take().expect("the browser runs").kill();
    }

    /// Ends the browser in good order.
    pub(crate) async fn quit_browser(&mut self) {
        self.browser.take().expect("the browser runs").quit().await;
    }

    /// A copy of the profile, for a second browser.
    pub(crate) fn copy_profile(&self, name: &str) -> PathBuf {
        assert!(self.browser.is_none(), "a running browser writes to its profile");
        let copy = self.home.path().join(name);
        copy_folder(&self.profile(), &copy);
        copy
    }

    /// Starts a second browser, on a profile of its own.
    pub(crate) async fn second_browser(&mut self, profile: &Path) -> &Browser {
        let browser = Browser::start(profile, &profile.with_extension("log")).await;
        self.second.insert(browser)
    }

    /// A new tab of the second browser.
    pub(crate) async fn second_browser_tab(&self, url: &str) -> Tab {
        self.second.as_ref().expect("the second browser runs").tab(url).await
    }

    /// A place for files of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A new tab with the page under test, which has joined the channel.
    pub(crate) async fn page(&mut self, options: Value) -> Tab {
        let tab = self.unjoined().await;
        tab.join(options).await;
        tab
    }

    /// Has another coordinator take over, and gives the page that is left: another worker, or the next page.
    pub(crate) async fn restart(&mut self, page: Tab, options: Value) -> Tab {
        if site::host() == "service-worker" {
            page.stop_workers().await;
            return page;
        }
        let next = self.page(options).await;
        next.ready().await;
        // A tab that is closed may not come to say that it goes, and its lease would have to run out.
        page.goto(&self.server.url("/blank.html")).await;
        page.close().await;
        next
    }

    /// The same with the page of this build.
    pub(crate) async fn page_of(&mut self, build: Build, options: Value) -> Tab {
        let url = self.server.url(build.page());
        let tab = self.browser().await.tab(&url).await;
        tab.join(options).await;
        tab
    }

    /// A new tab with the page under test.
    pub(crate) async fn unjoined(&mut self) -> Tab {
        let url = format!("{}?without={}", self.server.url(Build::This.page()), self.without);
        self.browser().await.tab(&url).await
    }

    /// From here on new tabs are `without` something: `database`, `bus`.
    pub(crate) fn take_away(&mut self, without: &'static str) {
        self.without = without;
    }

    /// The user allows no page to store anything: no database, no storage, no worker and no locks.
    pub(crate) fn refuse_storage(&self) {
        assert!(self.browser.is_none(), "a running browser has read what its user wants");
        let folder = self.profile().join("Default");
        let wishes = json!({ "profile": { "default_content_setting_values": { "cookies": 2 } } });
        fs::create_dir_all(&folder).expect("the profile can be made");
        fs::write(folder.join("Preferences"), wishes.to_string()).expect("it can be written to");
    }

    fn profile(&self) -> PathBuf {
        self.home.path().join("profile")
    }

    async fn record(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/e2e").join(name);
        // What cannot be recorded must not hide why the test has failed.
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::create_dir_all(&folder);
        let _ = fs::write(folder.join("server.log"), self.server.log());
        for (browser, place) in [(&self.browser, ""), (&self.second, "second")] {
            if let Some(browser) = browser {
                let _ = fs::create_dir_all(folder.join(place));
                browser.record(&folder.join(place)).await;
                eprintln!("{}", browser.console());
            }
        }
        eprintln!("what was seen at the end is in {}", folder.display());
    }
}

/// What the tests do in a page that has joined.
impl Tab {
    /// Connects with these options; tells how long it took.
    pub(crate) async fn join(&self, options: Value) -> Duration {
        let took: f64 = self.ask("return join(args)", options).await;
        Duration::from_secs_f64(took / 1000.0)
    }

    /// Waits until a coordinator has answered.
    pub(crate) async fn ready(&self) {
        self.run("await bw.ready", json!([])).await;
    }

    /// Enqueues events one after another on keys in turn: `k0`, `k1`, …
    pub(crate) async fn enqueue(&self, count: usize, keys: usize) -> Vec<Receipt> {
        let body = "
            const receipts = [];
            for (let at = 0; at < args.count; at += 1) {
                const key = `k${at % args.keys}`;
                const { id, position } = await bw.outbox.enqueue({ type: 'noted', key, data: { at } });
                receipts.push({ id, position, key });
            }
            return receipts;
        ";
        self.ask(body, json!({ "count": count, "keys": keys })).await
    }

    pub(crate) async fn status(&self) -> Value {
        self.run("return bw.status", json!([])).await
    }

    /// Waits for a status that the condition, an expression over `status`, holds for.
    pub(crate) async fn status_is(&self, condition: &str, limit: Duration) -> Value {
        let body = format!("const status = bw.status; return [Boolean({condition}), status]");
        until(&format!("the status has {condition}"), limit, async || {
            let seen: (bool, Value) = self.ask(&body, json!([])).await;
            holds(seen.0, &seen.1).map(|()| seen.1)
        })
        .await
    }

    /// What the client has fired.
    pub(crate) async fn heard(&self) -> Vec<Value> {
        self.ask("return heard", json!([])).await
    }
}

/// Delays short enough for a test, in place of the defaults, which are for networks.
pub(crate) fn brisk() -> Value {
    json!({ "outbox": { "baseDelayMs": 100, "maxDelayMs": 1000 } })
}

/// Longer than any test takes, shorter than anybody's patience.
const TEST_MAX: Duration = secs(200);
