//! Who may import whom.
//!
//! ```text
//! runtime-sw, runtime-page ──▶ web ──▶ data half of shared
//!            └──▶ machines of shared ──▶ data half        server ──▶ base, wire, rules
//! ```
//!
//! `shared` has two halves: data that is read and written, and machines that decide. No machine
//! knows another; `coordinator` and `page` put them together.

use super::{Finding, Source, code};

const DATA: &[&str] = &["base", "rows", "bus", "wire", "rules", "tape"];
const MACHINES: &[&str] = &["outbox", "state", "lead", "idle", "lock", "host"];
const COMPOSERS: &[&str] = &["coordinator", "page"];

/// What is for browsers, and therefore not for `shared`, which runs anywhere.
const BROWSER: &[&str] = &["wasm_bindgen", "wasm_bindgen_futures", "web_sys", "js_sys"];

/// What only `web` may use: it makes these typed, and the rest uses `web`.
const ONLY_WEB: &[&str] = &["gloo_timers"];

/// The runtimes, as code names them.
const RUNTIMES: &[&str] =
    &["bellwether_runtime_sw", "bellwether_runtime_page", "bellwether_runtime_lead"];

/// What is too large to be shipped: only the tests of `web` use it.
const ONLY_TESTS: &[&str] = &["rexie", "idb"];

pub(super) fn check(source: &Source) -> Vec<Finding> {
    let Some((member, inside)) = source.path.split_once("/src/") else {
        return Vec::new();
    };
    if !source.path.ends_with(".rs") {
        return Vec::new();
    }
    let bare = code::bare(&source.text);
    let mut found = Vec::new();
    let mut forbid = |root: &str, is_forbidden: &dyn Fn(&str) -> bool, why: &str| {
        for (name, line) in code::names_after(&bare, root) {
            if is_forbidden(&name) {
                found.push(Finding::new(source, line, format!("uses {root}::{name}, but {why}")));
            }
        }
    };
    let decides = |name: &str| MACHINES.contains(&name) || COMPOSERS.contains(&name);
    match member {
        "shared" => {
            let area = inside.split(['/', '.']).next().unwrap_or_default();
            if DATA.contains(&area) {
                forbid("crate", &decides, "data knows no machine");
            } else if MACHINES.contains(&area) {
                let other = |name: &str| name != area && decides(name);
                forbid("crate", &other, "one machine does not know another");
            }
            for root in BROWSER {
                forbid(root, &|_| true, "shared runs without a browser");
            }
        }
        "web" => forbid("bellwether_shared", &decides, "web makes no decision"),
        "server" => {
            let of_client = |name: &str| decides(name) || matches!(name, "rows" | "bus");
            forbid("bellwether_shared", &of_client, "the server shares only base, wire and rules");
        }
        "runtime-sw" | "runtime-page" | "runtime-lead" => {
            for root in RUNTIMES.iter().filter(|root| !is_own(root, member)) {
                forbid(root, &|_| true, "runtimes stand apart");
            }
        }
        _ => {}
    }
    if member != "web" {
        for root in ONLY_WEB {
            forbid(root, &|_| true, "only web may");
        }
    }
    for root in ONLY_TESTS {
        forbid(root, &|_| true, "only the tests of web may");
    }
    found
}

fn is_own(root: &str, member: &str) -> bool {
    root.strip_prefix("bellwether_").is_some_and(|name| name == member.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> usize {
        check(&Source { path: path.to_owned(), text: text.to_owned() }).len()
    }

    #[test]
    fn imports_against_the_direction_are_found() {
        #[rustfmt::skip]
        let cases = [
            ("shared/src/rows/event.rs",     "use crate::base::Seq;",                       0),
            ("shared/src/rows/event.rs",     "use crate::outbox::Lane;",                    1),
            ("shared/src/rules.rs",          "use crate::{base::Seq, coordinator, lead};",  2),
            ("shared/src/wire/push.rs",      "// use crate::outbox;",                       0),
            ("shared/src/outbox/lane.rs",    "use crate::outbox::seal; use crate::rows::A;", 0),
            ("shared/src/outbox/lane.rs",    "fn f() { crate::lead::g() }",                 1),
            ("shared/src/lead.rs",           "use crate::page::Page;",                      1),
            ("shared/src/coordinator/mod.rs","use crate::{lead, outbox};",                  0),
            ("shared/src/base/time.rs",      "use js_sys::Date;",                           1),
            ("web/src/channel.rs",           "use bellwether_shared::bus::Envelope;",       0),
            ("web/src/channel.rs",           "use bellwether_shared::outbox::Outbox;",      1),
            ("web/src/alarm.rs",             "use gloo_timers::callback::Timeout;",         0),
            ("web/src/read.rs",              "use rexie::Rexie;",                           1),
            ("web/tests/worker.rs",          "use rexie::Rexie;",                           0),
            ("runtime-sw/src/disk.rs",       "use rexie::Rexie;",                           1),
            ("runtime-page/src/driver.rs",   "use gloo_timers::callback::Timeout;",         1),
            ("runtime-page/src/embed.rs",    "use bellwether_runtime_sw::Driver;",          1),
            ("runtime-sw/src/api.rs",        "use bellwether_runtime_page::Api;",           1),
            ("runtime-lead/src/lib.rs",      "use bellwether_runtime_page::Api;",           1),
            ("runtime-sw/src/api.rs",        "use bellwether_runtime_lead::Vote;",          1),
            ("server/src/app.rs",            "use bellwether_shared::wire::Push;",          0),
            ("server/src/app.rs",            "use bellwether_shared::rows::Event;",         1),
            ("tests/src/world.rs",           "use bellwether_shared::outbox::Outbox;",      0),
            ("shared/src/rows/notes.md",     "use crate::outbox::Lane;",                    0),
        ];
        for (path, text, expected) in cases {
            assert_eq!(found(path, text), expected, "{path}: {text}");
        }
    }
}
