//! Measures what a browser has to load, against the budgets [PKG-4].
//!
//! Each file is compressed on its own, as it travels, and the sums are compared. 1 KB is 1024
//! bytes here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Outcome};
use crate::file;
use crate::package::{self, FACES, MODULES, WORKER_SCRIPT};
use crate::repo::{Repo, output_of};
use crate::section::{self, Module};
use crate::step::say;
use crate::wasm::{self, Profile, Runtime};

const KB: usize = 1024;

/// What the worker may weigh: its script (glue and shim) and its wasm, brotli 11. 80 KB of it were meant for the spine alone
/// (`docs/decisions/0016-the-workers-budget-grows-with-its-catalogue.md`).
const WORKER_BYTES_MAX: usize = 111 * KB;

/// What the page may weigh: `index.js`, which has the glue in it, and the wasm, brotli 11.
const PAGE_BYTES_MAX: usize = 60 * KB;

/// What may be loaded when it is first wanted, brotli 11.
const LATER_BYTES_MAX: usize = 10 * KB;

/// What is loaded where a page may have to host the coordinator, whose wasm comes when it does. Brotli 11.
const HOST_BYTES_MAX: usize = 8 * KB;

/// What is loaded where pages elect one of them without the browser's locks: `lead.js` and its wasm. Brotli 11.
const LEAD_BYTES_MAX: usize = 20 * KB;
/// What is loaded in a page that takes part in leading. Brotli 11.
const LEADER_BYTES_MAX: usize = 6 * KB;

/// What is loaded where pages keep the rows themselves. Brotli 11.
const BELOW_BYTES_MAX: usize = 10 * KB;

/// What the faces for libraries may weigh, all six of them; an app loads one or two. Brotli 11.
const FACES_BYTES_MAX: usize = 8 * KB;

/// How many functions `--what` lists for each runtime.
const FUNCTIONS_SHOWN: usize = 30;

/// The sizes of a file as it is and compressed, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Weight {
    raw: usize,
    gzip: usize,
    brotli: usize,
}

/// Builds the package, prints what worker and page weigh, and fails over budget.
pub(crate) fn check(repo: &Repo) -> Outcome {
    let dist = package::build(repo, Profile::Release)?;
    say(&format!("{:<40} {:>9} {:>9} {:>9}", "bytes", "raw", "gzip -9", "brotli 11"));
    let worker = weigh(repo, "worker", &worker_files(&dist)?)?;
    let page = weigh(repo, "page", &page_files(&dist)?)?;
    let [_, later, host, leader, lead, below] = MODULES.map(|name| dist.join(name));
    let lead_wasm = dist.join(format!("{}_bg.wasm", Runtime::Lead.name()));
    let later = weigh(repo, "page, when first wanted", &[later])?;
    let host = weigh(repo, "page that may host, beside the worker's wasm", &[host])?;
    let leader = weigh(repo, "page that takes part in leading", &[leader])?;
    let lead = weigh(repo, "page that elects without locks", &[lead, lead_wasm])?;
    let below = weigh(repo, "page without a database", &[below])?;
    let faces = weigh(repo, "faces for libraries", &FACES.map(|name| dist.join(name)))?;
    let budgets = [
        ("worker", worker, WORKER_BYTES_MAX),
        ("page", page, PAGE_BYTES_MAX),
        ("page's later module", later, LATER_BYTES_MAX),
        ("page's module for hosting", host, HOST_BYTES_MAX),
        ("page's module for elections", lead, LEAD_BYTES_MAX),
        ("page's module for rows without a database", below, BELOW_BYTES_MAX),
        ("page's module for leading", leader, LEADER_BYTES_MAX),
        ("faces for libraries", faces, FACES_BYTES_MAX),
    ];
    let over: Vec<String> = budgets
        .into_iter()
        .filter_map(|(name, weight, most)| over_budget(name, weight.brotli, most))
        .collect();
    if over.is_empty() { Ok(()) } else { Err(Fault::new(over.join("; "))) }
}

/// Prints which crates and functions the wasm modules are made of.
pub(crate) fn what(repo: &Repo) -> Outcome {
    let folder = wasm::build_named(repo)?;
    for runtime in Runtime::ALL {
        let path = folder.join(format!("{}_bg.wasm", runtime.name()));
        let Some(module) = section::parse(&file::read(&path)?) else {
            return Err(Fault::new(format!("{} is no wasm module", repo.shown(&path))));
        };
        say(&format!("{}: code by crate, in bytes (uncompressed)", runtime.name()));
        by_crate(&module).iter().for_each(|line| say(line));
        say(&format!("{}: largest functions", runtime.name()));
        largest(&module).iter().for_each(|line| say(line));
    }
    Ok(())
}

fn over_budget(name: &str, brotli: usize, most: usize) -> Option<String> {
    (brotli > most).then(|| {
        format!(
            "the {name} weighs {brotli} bytes, over its budget of {most}; \
             `cargo xtask size --what` lists what it is made of"
        )
    })
}

fn worker_files(dist: &Path) -> Outcome<Vec<PathBuf>> {
    let is_wasm = |name: &str| name.starts_with("bellwether-sw.") && name.ends_with(".wasm");
    let names = file::below(dist, &is_wasm)?;
    let names = names.into_iter().chain([WORKER_SCRIPT.to_owned()]);
    Ok(names.map(|name| dist.join(name)).collect())
}

/// `index.js`, every module that is loaded with it, and the wasm.
fn page_files(dist: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![dist.join(MODULES[0])];
    while let Some(path) = open.pop() {
        let path = fs::canonicalize(&path).map_err(|cause| Fault::file("read", &path, &cause))?;
        if found.contains(&path) {
            continue;
        }
        let folder = path.parent().unwrap_or(dist).to_path_buf();
        let imports = imports_of(&file::read_text(&path)?);
        open.extend(imports.into_iter().map(|import| folder.join(import)));
        found.insert(path);
    }
    found.insert(dist.join(format!("{}_bg.wasm", Runtime::Page.name())));
    Ok(found.into_iter().collect())
}

/// The relative modules that a module's text imports or exports from, but for those that it loads when it wants them.
fn imports_of(text: &str) -> Vec<String> {
    let starts = ["from \"", "from '", "import \"", "import '"];
    let mut found = Vec::new();
    for start in starts {
        for rest in text.split(start).skip(1) {
            let name = rest.split(['"', '\'']).next().unwrap_or_default();
            if name.starts_with('.') && name.ends_with(".js") {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// Prints each file's weight and their sum, which it returns.
fn weigh(repo: &Repo, name: &str, files: &[PathBuf]) -> Outcome<Weight> {
    let mut node = repo.node("node", "");
    node.args(["-e", COMPRESS, "--"]).args(files);
    let Some(printed) = output_of(&mut node) else {
        return Err(Fault::new("Node could not compress the built files; run `node --version`"));
    };
    let mut sum = Weight::default();
    for (path, line) in files.iter().zip(printed.lines()) {
        let Some(weight) = weight_of(line) else {
            return Err(Fault::new(format!("Node told `{line}` for sizes, which are no numbers")));
        };
        let file = path.file_name().unwrap_or_default().display().to_string();
        say(&row(&format!("  {file}"), weight));
        sum.raw += weight.raw;
        sum.gzip += weight.gzip;
        sum.brotli += weight.brotli;
    }
    say(&row(name, sum));
    Ok(sum)
}

fn weight_of(line: &str) -> Option<Weight> {
    let numbers: Option<Vec<usize>> = line.split(' ').map(|word| word.parse().ok()).collect();
    match numbers?.as_slice() {
        &[raw, gzip, brotli] => Some(Weight { raw, gzip, brotli }),
        _ => None,
    }
}

fn row(name: &str, weight: Weight) -> String {
    let Weight { raw, gzip, brotli } = weight;
    format!("{name:<40} {raw:>9} {gzip:>9} {brotli:>9}")
}

fn by_crate(module: &Module) -> Vec<String> {
    let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
    for function in &module.functions {
        *sums.entry(section::crate_of(&function.name)).or_default() += function.code_bytes;
    }
    let mut sums: Vec<(&str, usize)> = sums.into_iter().collect();
    sums.push(("(data)", module.data_bytes));
    sums.sort_by_key(|&(name, bytes)| (std::cmp::Reverse(bytes), name));
    sums.into_iter().map(|(name, bytes)| format!("{bytes:>9}  {name}")).collect()
}

/// The functions that weigh most, all copies that the compiler made of one taken together.
fn largest(module: &Module) -> Vec<String> {
    let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for function in &module.functions {
        let (bytes, copies) = sums.entry(bare_name(&function.name)).or_default();
        *bytes += function.code_bytes;
        *copies += 1;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|&(name, (bytes, _))| (std::cmp::Reverse(bytes), name));
    let shown = sums.into_iter().take(FUNCTIONS_SHOWN);
    shown.map(|(name, (bytes, copies))| format!("{bytes:>9}  {copies:>3} of {name}")).collect()
}

/// The name without the hash that tells copies of one function apart: `a::b::h0123456789abcdef`.
fn bare_name(name: &str) -> &str {
    let is_hash = |end: &str| end.len() == 16 && end.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name.rsplit_once("::h") {
        Some((bare, end)) if is_hash(end) => bare,
        _ => name,
    }
}

/// Prints "raw gzip brotli" for each file it is given.
const COMPRESS: &str = "
const { readFileSync } = require('node:fs');
const { gzipSync, brotliCompressSync, constants } = require('node:zlib');
for (const file of process.argv.slice(1)) {
  const bytes = readFileSync(file);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  const gzip = gzipSync(bytes, { level: 9 }).length;
  console.log(bytes.length + ' ' + gzip + ' ' + brotliCompressSync(bytes, { params }).length);
}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::section::Function;

    #[test]
    fn the_budget_itself_is_still_within_budget() {
        assert_eq!(over_budget("page", 40 * KB, 40 * KB), None);
        let told = over_budget("page", 40 * KB + 1, 40 * KB);
        let told = told.expect("one byte more is too much");
        assert!(
            told.starts_with("the page weighs 40961 bytes, over its budget of 40960"),
            "{told}"
        );
    }

    #[test]
    fn relative_imports_are_followed_and_others_and_later_ones_left() {
        let text = "import { a } from \"./a.js\";\nexport * from './b/c.js';\n\
                    const d = await import(\"./d.js\");\nimport './e.js';\nimport x from \"react\";";
        assert_eq!(imports_of(text), ["./a.js", "./b/c.js", "./e.js"]);
    }

    #[test]
    fn crates_are_summed_and_sorted_by_weight() {
        let function = |name: &str, code_bytes| Function { name: name.to_owned(), code_bytes };
        let functions =
            vec![function("a::x", 5), function("b::y", 7), function("<a::T as b::U>::z", 4)];
        let module = Module { functions, data_bytes: 1 };
        let lines: Vec<String> = by_crate(&module).iter().map(|line| line.trim().into()).collect();
        assert_eq!(lines, ["9  a", "7  b", "1  (data)"]);
    }

    #[test]
    fn copies_of_one_function_are_taken_together() {
        let function = |name: &str, code_bytes| Function { name: name.to_owned(), code_bytes };
        let copy = |hash: &str| function(&format!("a::x::h{hash}"), 5);
        let functions =
            vec![function("b::y", 7), copy("0123456789abcdef"), copy("fedcba9876543210")];
        let lines = largest(&Module { functions, data_bytes: 0 });
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        assert_eq!(lines, ["10    2 of a::x", "7    1 of b::y"]);
    }
}
