//! Leaves out of the glue what the package never calls: other ways of starting the wasm (a page waits for it, the
//! worker does not), letting go of the worker, which lives as long as its realm, and of a client by hand, and what
//! browsers without wasm of our kind would need.
//!
//! The glue is text that wasm-bindgen has written, and these are passages of it: if another version writes them
//! otherwise, making the glue fails, and this file has to follow.

/// What is made of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Worker,
    Page,
    Lead,
}

impl Kind {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "worker" => Some(Self::Worker),
            "page" => Some(Self::Page),
            "lead" => Some(Self::Lead),
            _ => None,
        }
    }
}

/// The script without it.
pub(crate) fn script(text: &str, kind: Kind) -> Result<String, String> {
    let (passages, alone) = match kind {
        Kind::Worker => (WORKER, "export { initSync }"),
        Kind::Page => (PAGE, START),
        Kind::Lead => (LEAD, START),
    };
    let mut text = text.to_owned();
    for (first, next) in BOTH.iter().chain(passages) {
        text = without(&text, first, next)?;
    }
    if !text.contains(EXPORTS) {
        return Err(missing(EXPORTS));
    }
    Ok(text.replace(EXPORTS, alone))
}

/// What only the worker's glue has called, and is to be left out of the wasm, too.
pub(crate) const WORKER_FREE: &str = "__wbg_worker_free";

const EXPORTS: &str = "export { initSync, __wbg_init as default }";

/// Where a passage begins, and what follows it.
type Passage = (&'static str, &'static str);

const BOTH: &[Passage] = &[
    ("if (!('encodeInto' in cachedTextEncoder)) {", "let WASM_VECTOR_LEN"),
    ("    if (realloc === undefined) {", "    let len = arg.length;"),
];

const PAGE: &[Passage] = &[
    ("async function __wbg_load(module, imports) {", EXPORTS),
    ("    __destroy_into_raw() {", "    /**\n"),
    ("if (Symbol.dispose) Client", "function __wbg_get_imports"),
    REGISTRY,
    REGISTRY,
];

const LEAD: &[Passage] = &[("async function __wbg_load(module, imports) {", EXPORTS)];

/// How a page starts its wasm.
const START: &str = include_str!("start.js");

const WORKER: &[Passage] = &[
    ("let __wbg_init_promise;", EXPORTS),
    ("        if (Object.getPrototypeOf(module)", "            ({module} = module)"),
    ("        } else {\n            console.warn('using deprecated", "    }\n\n    const imports"),
    ("    if (!(module instanceof WebAssembly.Module)) {", "    const instance = "),
    ("        WorkerFinalization.register(", "        return obj;"),
    ("    __destroy_into_raw() {", "    /**\n"),
    ("if (Symbol.dispose) Worker", "function __wbg_get_imports"),
    ("const WorkerFinalization = ", "function addToExternrefTable0"),
    REGISTRY,
];

const REGISTRY: Passage = ("(typeof FinalizationRegistry === ", "new FinalizationRegistry(");

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

    /// Glue of nothing but these passages.
    fn glue(passages: &[Passage]) -> String {
        let passages = BOTH.iter().chain(passages);
        passages.map(|(first, next)| [first, "unused", next, "\n"].concat()).collect()
    }

    #[test]
    fn what_is_not_called_is_left_out() {
        for (passages, kind, alone) in [
            (PAGE, Kind::Page, START),
            (LEAD, Kind::Lead, START),
            (WORKER, Kind::Worker, "export { initSync }"),
        ] {
            let text = [&glue(passages), EXPORTS].concat();
            let script = script(&text, kind).expect("all passages are there");
            assert!(script.ends_with(alone) && !script.contains("unused"), "{script}");
            assert!(script.contains("let WASM_VECTOR_LEN"), "{script}");
        }
    }

    #[test]
    fn other_glue_is_an_error() {
        assert!(script(EXPORTS, Kind::Page).is_err());
        assert!(script(&glue(WORKER), Kind::Page).is_err());
        assert!(script(&glue(PAGE), Kind::Worker).is_err());
    }
}
