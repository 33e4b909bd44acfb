//! Leaves out of the glue the way of starting the wasm that is not used: a page waits for it, the worker does not.
//!
//! The glue is text that wasm-bindgen has written, and these are passages of it: if another version writes them
//! otherwise, making the glue fails, and this file has to follow.

/// The script without it.
pub(crate) fn script(text: &str, is_page: bool) -> Result<String, String> {
    let (first, next, alone) = if is_page {
        ("function initSync(module) {", "let __wbg_init_promise;", "__wbg_init as default")
    } else {
        ("let __wbg_init_promise;", EXPORTS, "initSync")
    };
    let text = without(text, first, next)?;
    if !text.contains(EXPORTS) {
        return Err(missing(EXPORTS));
    }
    Ok(text.replace(EXPORTS, &["export { ", alone, " }"].concat()))
}

const EXPORTS: &str = "export { initSync, __wbg_init as default }";

/// The declarations without theirs.
pub(crate) fn declarations(text: &str) -> Result<String, String> {
    without(text, "export type SyncInitInput", "/**\n * If `module_or_path` is")
}

/// `text` without what lies from `first` up to `next`.
fn without(text: &str, first: &str, next: &str) -> Result<String, String> {
    let (before, rest) = text.split_once(first).ok_or_else(|| missing(first))?;
    let at = rest.find(next).ok_or_else(|| missing(next))?;
    Ok([before, &rest[at..]].concat())
}

fn missing(passage: &str) -> String {
    format!("the glue has no `{passage}`; see tools/bindgen/src/unused.rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_called_is_left_out() {
        let text = "a();\nfunction initSync(module) {\n}\n\nlet __wbg_init_promise;\nb();\n\
                    export { initSync, __wbg_init as default };\n";
        let page = "a();\nlet __wbg_init_promise;\nb();\nexport { __wbg_init as default };\n";
        assert_eq!(script(text, true).as_deref(), Ok(page));
        let worker = "a();\nfunction initSync(module) {\n}\n\nexport { initSync };\n";
        assert_eq!(script(text, false).as_deref(), Ok(worker));
    }

    #[test]
    fn other_glue_is_an_error() {
        assert!(script("export { __wbg_init as default };", true).is_err());
        assert!(script("function initSync(module) {\nlet __wbg_init_promise;\n", false).is_err());
        assert!(declarations("export type InitInput;").is_err());
    }
}
