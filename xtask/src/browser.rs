//! The browser that tests run in: Chromium and its driver, found, tried and configured.
//!
//! What always holds: both have answered `--version` before anything is started with them, and
//! their profiles go to a scratch folder that is removed with the [`Browser`].

use std::env;
use std::process::Command;

use crate::fault::{Fault, Outcome};
use crate::file::{self, Scratch};
use crate::need::apt_install;
use crate::repo::output_of;

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
];

/// A working Chromium and its driver.
#[derive(Debug)]
pub(crate) struct Browser {
    chromium: String,
    driver: String,
    scratch: Scratch,
}

impl Browser {
    /// Finds both, or installs them where that is ours to do.
    pub(crate) fn find() -> Outcome<Self> {
        let mut pair = (chromium(), driver());
        if pair.0.is_none() || pair.1.is_none() {
            apt_install(&["chromium", "chromium-driver"])?;
            pair = (chromium(), driver());
        }
        match pair {
            (Some(chromium), Some(driver)) => {
                let browser = Self { chromium, driver, scratch: Scratch::new("browser")? };
                let settings = settings_for(&browser.chromium);
                file::write(&browser.scratch.path().join("webdriver.json"), settings.as_bytes())?;
                Ok(browser)
            }
            (None, _) => Err(Fault::new(
                "no Chromium that answers `--version` was found (the snap of Ubuntu does not run \
                 under a driver); run `apt-get install chromium chromium-driver` on Debian, or set \
                 CHROME to the program",
            )),
            (_, None) => Err(Fault::new(
                "chromedriver is missing; run `apt-get install chromium-driver` on Debian, or set \
                 CHROMEDRIVER to the program",
            )),
        }
    }

    /// Tells `command` which browser to use and where to keep its profiles.
    pub(crate) fn lend(&self, command: &mut Command) {
        command
            .env("CHROME", &self.chromium)
            .env("CHROMEDRIVER", &self.driver)
            .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", self.scratch.path().join("webdriver.json"))
            .env("TMPDIR", self.scratch.path());
    }
}

fn chromium() -> Option<String> {
    let names = ["chromium", "chromium-browser", "google-chrome", "chrome"];
    find("CHROME", &names, &|version| version.contains("Chrom"))
}

fn driver() -> Option<String> {
    find("CHROMEDRIVER", &["chromedriver"], &|version| version.contains("ChromeDriver"))
}

/// The program named by the variable, or else the first of `names` that tells its version.
fn find(variable: &str, names: &[&str], is_version: &dyn Fn(&str) -> bool) -> Option<String> {
    let named = env::var(variable).ok().filter(|program| !program.is_empty());
    let candidates = named.into_iter().chain(names.iter().map(ToString::to_string));
    candidates
        .filter(|program| {
            output_of(Command::new(program).arg("--version")).is_some_and(|said| is_version(&said))
        })
        .map(|program| full_path(&program).unwrap_or(program))
        .next()
}

/// Where on the search path the program lies; its driver wants to be told in full.
fn full_path(program: &str) -> Option<String> {
    let folders = env::var_os("PATH")?;
    let mut places = env::split_paths(&folders).map(|folder| folder.join(program));
    places.find(|place| place.is_file()).map(|place| place.display().to_string())
}

/// What the driver is to be asked for, as JSON.
fn settings_for(chromium: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let switches: Vec<String> = SWITCHES.iter().map(|switch| quoted(switch)).collect();
    format!(
        "{{\"goog:chromeOptions\":{{\"binary\":{},\"args\":[{}]}}}}\n",
        quoted(chromium),
        switches.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_quote_what_json_would_misread() {
        let settings = settings_for(r#"C:\Apps\"new"\chrome.exe"#);
        let expected =
            r#"{"goog:chromeOptions":{"binary":"C:\\Apps\\\"new\"\\chrome.exe","args":["#;
        assert!(settings.starts_with(expected), "{settings}");
        assert!(settings.ends_with("\"--disable-dev-shm-usage\"]}}\n"), "{settings}");
    }
}
