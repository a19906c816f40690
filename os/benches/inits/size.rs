//! The bytes of the program's file, and what it needs besides.

use std::fs;

use crate::Setting;
use crate::table::{Cell, Findings, Table};

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let mut table = Table::new("Size on disk", "The program's file.", &["bytes", "linked"]);
    let mut sizes = Vec::new();
    for init in &setting.contenders {
        if init.is_bare() {
            sizes.push(f64::NAN);
            continue;
        }
        let file = fs::read(init.program()).expect("a program can be read");
        let linked = if needs_loader(&file) { "dynamically" } else { "statically" };
        let size = file.len() as f64;
        table.row(init.name, vec![Cell::Number(size, 0), Cell::Text(linked.to_owned())]);
        sizes.push(size);
    }
    findings.table(table);
    findings.sum_up("file, bytes", 0, &setting.contenders, &sizes);
}

/// Has this ELF file a program header of the kind `PT_INTERP`? elf(5), 64 bits.
fn needs_loader(file: &[u8]) -> bool {
    let number = |at: usize, bytes: usize| {
        let bytes = file.get(at..at + bytes).unwrap_or_default();
        bytes.iter().rev().fold(0_usize, |number, &byte| number << 8 | usize::from(byte))
    };
    let (first, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|header| number(first + header * size, 4) == 3)
}
