// Takes a compiled module, or the answer to a request for one.
async function __wbg_init({ module_or_path: given }) {
    const imports = __wbg_get_imports();
    // Only what is named so can be compiled while it is read.
    const made = given.headers?.get("Content-Type") === "application/wasm"
        ? await WebAssembly.instantiateStreaming(given, imports)
        : await WebAssembly.instantiate(given.headers ? await given.arrayBuffer() : given, imports);
    // A compiled module gives its instance alone.
    return __wbg_finalize_init(made.instance ?? made);
}

export { __wbg_init as default };
