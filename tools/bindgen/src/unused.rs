//! Leaves out of the glue what the package never calls: starting the wasm without waiting for it.
//!
//! The glue is text that wasm-bindgen has written, and these are passages of it: if another version writes them
//! otherwise, making the glue fails, and this file has to follow.

/// The script without them.
pub(crate) fn script(text: &str, is_web: bool) -> Result<String, String> {
    let text = without(text, "function initSync(module) {", "let __wbg_init_promise;")?;
    let (with, alone) = if is_web {
        ("export { initSync, __wbg_init as default }", "export { __wbg_init as default }")
    } else {
        ("Object.assign(__wbg_init, { initSync }, exports)", "Object.assign(__wbg_init, exports)")
    };
    if !text.contains(with) {
        return Err(missing(with));
    }
    Ok(text.replace(with, alone))
}

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
        let before = "a();\nfunction initSync(module) {\n}\n\nlet __wbg_init_promise;\n";
        let web = [before, "export { initSync, __wbg_init as default };\n"].concat();
        let expected = "a();\nlet __wbg_init_promise;\nexport { __wbg_init as default };\n";
        assert_eq!(script(&web, true).as_deref(), Ok(expected));
        let classic =
            [before, "return Object.assign(__wbg_init, { initSync }, exports);\n"].concat();
        let expected =
            "a();\nlet __wbg_init_promise;\nreturn Object.assign(__wbg_init, exports);\n";
        assert_eq!(script(&classic, false).as_deref(), Ok(expected));
    }

    #[test]
    fn other_glue_is_an_error() {
        assert!(script("export { __wbg_init as default };", true).is_err());
        assert!(script("function initSync(module) {\nlet __wbg_init_promise;\n", false).is_err());
        assert!(declarations("export type InitInput;").is_err());
    }
}
