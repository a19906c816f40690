//! Where the figures go besides the terminal: a file of JSON, docs/performance.md, README.md.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::contenders::workspace;
use crate::table::{Findings, Table};

/// Those of the README's table.
const SUMMARY: [&str; 5] = ["lastout", "tini-static", "dumb-init", "catatonit", "mininit"];

/// The day, the kernel, the processor: figures of another machine are other figures.
pub(crate) fn machine() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output();
        output.map_or_else(|_| "?".into(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("a processor without a name", |(_, name)| name);
    let virtual_machine = if cpus.contains("hypervisor") { ", a virtual machine" } else { "" };
    let count = crate::stage::processors().len();
    let (day, kernel) = (said("date", "+%Y-%m-%d"), said("uname", "-srm"));
    let rustc = said("rustc", "--version");
    format!("{day}, {kernel}, {count} × {model}{virtual_machine}; {rustc}")
}

/// Writes what is asked for.
pub(crate) fn write(findings: &Findings, json: Option<&str>, docs: bool) -> Result<(), String> {
    if let Some(file) = json {
        let tables: Vec<String> = findings.tables.iter().map(Table::json).collect();
        let machine = machine().replace('\\', "\\\\").replace('"', "\\\"");
        let text = format!(
            "{{\n  \"machine\": \"{machine}\",\n  \"tables\": [\n{}\n  ]\n}}\n",
            tables.join(",\n")
        );
        fs::write(file, text).map_err(|why| format!("{file}: {why}"))?;
    }
    if docs {
        let tables: Vec<String> = findings.tables.iter().map(Table::markdown).collect();
        let text = format!("{}.\n\n{}", machine(), tables.join("\n"));
        put(&workspace().join("docs/performance.md"), "measured", &text)?;
        put(&workspace().join("README.md"), "performance", &findings.summary(&SUMMARY))?;
    }
    Ok(())
}

/// Puts the text between the markers `<!-- NAME -->` and `<!-- /NAME -->` of a file.
fn put(file: &Path, name: &str, text: &str) -> Result<(), String> {
    let tell = |why: String| format!("{}: {why}", file.display());
    let before = fs::read_to_string(file).map_err(|why| tell(why.to_string()))?;
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let parts = before.split_once(&open).and_then(|(head, rest)| {
        let (_, tail) = rest.split_once(&close)?;
        Some((head, tail))
    });
    let (head, tail) = parts.ok_or_else(|| tell(format!("no {open} … {close} in it")))?;
    let text = format!("{head}{open}\n{text}{close}{tail}");
    fs::write(file, text).map_err(|why| tell(why.to_string()))
}
