//! The small apps of `npm/examples`, one for each face of the package: all keep the same promises to their users.

use serde_json::{Value, json};

use crate::browser::Tab;
use crate::site::Site;
use crate::stage::play;
use crate::wait::{holds, secs, until};

/// What a user sees of the page.
const SEEN: &str = "
    const [heading, counter] = ['h1', 'output[aria-label=Counter]'].map((it) => document.querySelector(it));
    return [
        heading?.textContent,
        document.querySelector('[aria-label=Connection]')?.textContent,
        counter?.textContent,
        document.querySelector('input')?.value,
        document.querySelector('select')?.value,
        document.documentElement.dataset.theme,
    ];
";

/// What a user does: types, chooses, presses.
const TYPE: &str = "
    const input = document.querySelector('input');
    Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, args);
    input.dispatchEvent(new Event('input', { bubbles: true }));
";
const CHOOSE: &str = "
    const select = document.querySelector('select');
    Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value').set.call(select, args);
    select.dispatchEvent(new Event('change', { bubbles: true }));
";

async fn sees(tab: &Tab, name: &str, counter: &str, text: &str, theme: &str) {
    let expected = json!([name, "Connected", counter, text, theme, theme]);
    until(&format!("the page shows {expected}"), secs(15), async || {
        let seen: Value = tab.run(SEEN, json!([])).await;
        holds(seen == expected, seen)
    })
    .await;
}

fn works(folder: &str, name: &str) {
    let name = name.to_owned();
    play(Site::example(folder), async move |stage| {
        let url = format!("{}/?server={}", stage.server.origin(), stage.server.origin());
        let one = stage.browser().await.tab(&url).await;
        sees(&one, &name, "0", "", "light").await;
        let two = stage.browser().await.tab(&url).await;
        sees(&two, &name, "0", "", "light").await;

        one.run("document.querySelector('button').click()", json!([])).await;
        sees(&two, &name, "1", "", "light").await;
        two.run("document.querySelector('button').click()", json!([])).await;
        two.run(TYPE, json!("from the second")).await;
        one.run(CHOOSE, json!("dark")).await;
        for tab in [&one, &two] {
            sees(tab, &name, "2", "from the second", "dark").await;
        }
        // A page that comes does not write what it begins with over what is there.
        let three = stage.browser().await.tab(&url).await;
        for tab in [&three, &one, &two] {
            sees(tab, &name, "2", "from the second", "dark").await;
        }
    });
}

#[test]
fn any_store_is_kept_in_step() {
    works("broadcast-sync", "Broadcast sync");
}

#[test]
fn react_is_kept_in_step() {
    works("react", "React");
}

#[test]
fn redux_is_kept_in_step() {
    works("redux", "Redux");
}

#[test]
fn svelte_is_kept_in_step() {
    works("svelte", "Svelte");
}

#[test]
fn vue_is_kept_in_step() {
    works("vue", "Vue");
}

#[test]
fn zustand_is_kept_in_step() {
    works("zustand", "Zustand");
}
