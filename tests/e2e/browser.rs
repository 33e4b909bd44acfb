//! Chromium under its driver, by the classic protocol: a worker that was stopped under the other
//! one never answers again.
//!
//! What always holds: driver and browser are one process group, so they live and die together, and
//! neither outlives its [`Browser`]. The profile is a folder of its own and outlives them.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{Capabilities, WebDriver, WindowHandle};

use crate::server::INSECURE;
use crate::wait::{holds, secs, until};

/// A running browser and its driver.
#[derive(Debug)]
pub(crate) struct Browser {
    group: Child,
    driver: WebDriver,
    log: PathBuf,
    /// The tab that the browser started with; it stays.
    first: WindowHandle,
}

/// One tab, or window, of a browser.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    driver: WebDriver,
    handle: WindowHandle,
}

impl Browser {
    /// Starts a browser on the profile; what driver and browser tell goes to `log`.
    pub(crate) async fn start(profile: &Path, log: &Path) -> Self {
        let mut command = Command::new(program("CHROMEDRIVER", "chromedriver"));
        command.args(["--port=0", "--enable-chrome-logs"]).process_group(0);
        let out = File::create(log).expect("the log can be written");
        let err = out.try_clone().expect("a file can be shared");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let group = Group(Some(command.spawn().expect("the driver can be started")));
        let port = until("the driver tells its port", secs(15), async || {
            let told = fs::read_to_string(log).unwrap_or_default();
            port_in(&told).ok_or(told)
        })
        .await;
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), wishes(profile)).await;
        let driver = driver.unwrap_or_else(|fault| {
            panic!("no browser: {fault}\n{}", fs::read_to_string(log).unwrap_or_default())
        });
        driver.set_script_timeout(SCRIPT_MAX).await.expect("the driver takes a timeout");
        driver.set_page_load_timeout(SCRIPT_MAX).await.expect("the driver takes a timeout");
        let first = driver.window().await.expect("a browser starts with a window");
        Self { group: group.keep(), driver, log: log.to_owned(), first }
    }

    /// The tab that the browser started with, which shows nothing of the site.
    pub(crate) fn first(&self) -> Tab {
        Tab { driver: self.driver.clone(), handle: self.first.clone() }
    }

    /// A new tab that shows `url`.
    pub(crate) async fn tab(&self, url: &str) -> Tab {
        // The driver opens a tab from another, and the one it saw last may be closed.
        self.first().show().await;
        let handle = self.driver.new_tab().await.expect("a tab can be opened");
        let tab = Tab { driver: self.driver.clone(), handle };
        tab.goto(url).await;
        tab
    }

    /// Ends driver and browser at once, as a power cut would.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Ends the browser in good order, as a person would.
    pub(crate) async fn quit(self) {
        self.driver.clone().quit().await.expect("the browser can be closed");
    }

    /// What pages and workers wrote to their consoles, and what the browser has to say.
    pub(crate) fn console(&self) -> String {
        let told = fs::read_to_string(&self.log).unwrap_or_default();
        told.lines().filter(|line| line.contains("CONSOLE")).collect::<Vec<_>>().join("\n")
    }

    /// Puts a picture, the status and the queue of each tab into the folder.
    pub(crate) async fn record(&self, folder: &Path) {
        let windows = self.driver.windows().await.unwrap_or_default();
        for (at, handle) in windows.into_iter().enumerate() {
            let tab = Tab { driver: self.driver.clone(), handle };
            if self.driver.switch_to_window(tab.handle.clone()).await.is_err() {
                continue;
            }
            let _ = self.driver.screenshot(&folder.join(format!("tab-{at}.png"))).await;
            let seen = match tab.try_run(SEEN_BY_PAGE, json!([])).await {
                Ok(seen) => format!("{seen:#}\n"),
                Err(fault) => format!("{fault}\n"),
            };
            let _ = fs::write(folder.join(format!("tab-{at}.json")), seen);
        }
        let _ = fs::write(folder.join("console.log"), self.console());
        let _ = fs::copy(&self.log, folder.join("browser.log"));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.group);
        // There is nobody left to be asked to quit; it may have quit before.
        let _ = self.driver.clone().leak();
    }
}

impl Tab {
    pub(crate) async fn goto(&self, url: &str) {
        self.show().await;
        let gone = self.driver.goto(url).await;
        gone.unwrap_or_else(|fault| panic!("{url} cannot be shown: {fault}"));
        // In a tab that has just been opened the driver may take the end of the empty page's loading for that of this
        // one, whose scripts have not run then.
        until("the page is loaded", SCRIPT_MAX, async || {
            let state =
                "return [location.href, document.readyState, location.href.startsWith(args)]";
            let seen = self.try_run(state, json!(url)).await?;
            holds(seen[1] == "complete" && seen[2] == true, seen)
        })
        .await;
    }

    /// Runs the body of an async function, which finds its arguments in `args`.
    pub(crate) async fn run(&self, body: &str, args: Value) -> Value {
        match self.try_run(body, args).await {
            Ok(value) => value,
            Err(fault) => panic!("{fault}\n  in the page: {body}"),
        }
    }

    /// The same, read as a `T`.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, body: &str, args: Value) -> T {
        let value = self.run(body, args).await;
        serde_json::from_value(value.clone())
            .unwrap_or_else(|fault| panic!("{fault}: {value}\n  in the page: {body}"))
    }

    /// The same; what the page throws comes as the text of the error.
    pub(crate) async fn try_run(&self, body: &str, args: Value) -> Result<Value, String> {
        self.show().await;
        let script = format!(
            "const [args, done] = arguments;
             (async () => {{ {body} }})().then(
               (it) => done({{ it: it ?? null }}),
               (fault) => done({{ fault: `${{fault?.code ?? fault?.name}}: ${{fault?.message}}` }}),
             );"
        );
        let told = self.driver.execute_async(script, vec![args]).await;
        let mut told = told.map_err(|fault| fault.to_string())?.json().clone();
        match told.get("fault") {
            Some(fault) => Err(fault.as_str().unwrap_or_default().to_owned()),
            None => Ok(told["it"].take()),
        }
    }

    /// Closes the tab, as a person would.
    pub(crate) async fn close(self) {
        self.show().await;
        self.driver.close_window().await.expect("the tab can be closed");
    }

    /// Ends the tab's process, as a fault or the system would.
    pub(crate) async fn crash(self) {
        self.show().await;
        // There is nobody left to answer.
        let _ = self.driver.cdp().send_raw("Page.crash", json!({})).await;
    }

    /// Freezes the tab as the browser does with tabs in the background, or lets it go on.
    pub(crate) async fn freeze(&self, on: bool) {
        let state = if on { "frozen" } else { "active" };
        self.devtools("Page.setWebLifecycleState", json!({ "state": state })).await;
    }

    /// Stops all workers, as the browser does when they idle, but at once.
    pub(crate) async fn stop_workers(&self) {
        self.devtools("ServiceWorker.enable", json!({})).await;
        self.devtools("ServiceWorker.stopAllWorkers", json!({})).await;
    }

    /// Stops all workers, and waits until none runs.
    pub(crate) async fn stop_workers_for_sure(&self) {
        self.stop_workers().await;
        until("no worker runs", secs(10), async || {
            let told = self.devtools("Target.getTargets", json!({})).await;
            let all = told["targetInfos"].as_array().into_iter().flatten();
            let running = all.filter(|it| it["type"] == "service_worker").count();
            holds(running == 0, running)
        })
        .await;
    }

    /// Lets the origin have so many bytes of storage; `None` for what the browser thinks right.
    pub(crate) async fn limit_storage(&self, origin: &str, bytes: Option<u64>) {
        let mut told = json!({ "origin": origin });
        if let Some(bytes) = bytes {
            told["quotaSize"] = json!(bytes);
        }
        self.devtools("Storage.overrideQuotaForOrigin", told).await;
    }

    /// Fires a background sync at the origin's worker, running or not.
    pub(crate) async fn fire_sync(&self, origin: &str, registration: &str, tag: &str) {
        self.devtools("ServiceWorker.enable", json!({})).await;
        let told = json!({
            "origin": origin, "registrationId": registration, "tag": tag, "lastChance": false,
        });
        self.devtools("ServiceWorker.dispatchSyncEvent", told).await;
    }

    async fn devtools(&self, method: &str, params: Value) -> Value {
        self.show().await;
        let told = self.driver.cdp().send_raw(method, params).await;
        told.unwrap_or_else(|fault| panic!("{method}: {fault}"))
    }

    async fn show(&self) {
        let shown = self.driver.switch_to_window(self.handle.clone()).await;
        shown.expect("the tab is open");
    }
}

/// Ends a driver that did not get as far as a session.
struct Group(Option<Child>);

impl Group {
    fn keep(mut self) -> Child {
        self.0.take().expect("it is kept once")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            end(&mut child);
        }
    }
}

/// Ends the child and whatever it has started.
fn end(child: &mut Child) {
    if !matches!(child.try_wait(), Ok(None)) {
        return;
    }
    let group = format!("-{}", child.id());
    // Who is gone already needs no ending.
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let _ = child.wait();
}

fn wishes(profile: &Path) -> Capabilities {
    let mut args: Vec<String> = SWITCHES.iter().map(ToString::to_string).collect();
    args.push(format!("--user-data-dir={}", profile.display()));
    args.push(format!("--host-resolver-rules=MAP {INSECURE} 127.0.0.1"));
    let options = json!({ "binary": program("CHROME", "/usr/bin/chromium"), "args": args });
    let mut wishes = Capabilities::new();
    wishes.set("browserName", json!("chrome")).expect("a capability can be named");
    wishes.set("goog:chromeOptions", options).expect("a capability can be named");
    wishes
}

fn port_in(told: &str) -> Option<u16> {
    let rest = told.split("started successfully on port ").nth(1)?;
    rest.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
}

fn program(variable: &str, usual: &str) -> String {
    let named = std::env::var(variable).ok().filter(|program| !program.is_empty());
    named.unwrap_or_else(|| usual.to_owned())
}

/// What a page can tell of itself when a test has failed.
const SEEN_BY_PAGE: &str = "
    const seen = { url: location.href, heard: window.heard };
    if (!window.bw) return seen;
    seen.status = bw.status;
    const soon = (promise) => Promise.race([
        promise.catch((fault) => String(fault)),
        new Promise((resolve) => setTimeout(resolve, 3000, 'no answer')),
    ]);
    seen.pending = await soon(bw.outbox.pending());
    if (Array.isArray(seen.pending)) {
        seen.pendingCount = seen.pending.length;
        seen.pending = seen.pending.slice(0, 10);
    }
    seen.failed = await soon(bw.outbox.failed());
    seen.registrations = (await navigator.serviceWorker?.getRegistrations() ?? []).map((it) => [
        it.scope, it.installing?.state, it.waiting?.state, it.active?.state, it.active?.scriptURL,
    ]);
    return seen;
";

const SCRIPT_MAX: Duration = secs(30);

/// Switches under which Chromium runs the same as root, in a container and on a desk.
const SWITCHES: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    // The consoles of pages and workers, in the driver's log.
    "--enable-logging=stderr",
];
