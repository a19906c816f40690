//! The smallest programs there can be, as the commands of the inits: with them, what is measured is
//! the init. One page, no library, a handful of instructions.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// A directory of this run's own with both programs; removed with this.
pub(crate) struct Tiny {
    directory: PathBuf,
    /// exit(0).
    pub(crate) exits: String,
    /// pause(2) for ever.
    pub(crate) sleeps: String,
}

#[cfg(target_arch = "x86_64")]
mod code {
    pub(super) const MACHINE: u16 = 62;
    /// `xor edi, edi; mov eax, SYS_exit; syscall`
    pub(super) const EXITS: &[u8] = &[0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    /// `mov eax, SYS_pause; syscall; jmp` to the first
    pub(super) const SLEEPS: &[u8] = &[0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7];
}

#[cfg(target_arch = "aarch64")]
mod code {
    pub(super) const MACHINE: u16 = 183;
    /// `mov x0, 0; mov x8, SYS_exit; svc 0`
    pub(super) const EXITS: &[u8] = &[0, 0, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 1, 0, 0, 0xd4];
    /// `mov` x0 to x4, 0; `mov x8, SYS_ppoll; svc 0; b` to the first
    pub(super) const SLEEPS: &[u8] = &[
        0, 0, 0x80, 0xd2, 1, 0, 0x80, 0xd2, 2, 0, 0x80, 0xd2, 3, 0, 0x80, 0xd2, 4, 0, 0x80, 0xd2,
        0x28, 0x09, 0x80, 0xd2, 1, 0, 0, 0xd4, 0xf9, 0xff, 0xff, 0x17,
    ];
}

impl Tiny {
    pub(crate) fn new() -> Self {
        let name = format!("lastout-bench.{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory for temporary files");
        let write = |name: &str, code: &[u8]| {
            let path = directory.join(name);
            fs::write(&path, program(code)).expect("a file there");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our file");
            path.to_str().expect("a readable path").to_owned()
        };
        let (exits, sleeps) = (write("exits", code::EXITS), write("sleeps", code::SLEEPS));
        Self { directory, exits, sleeps }
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// An ELF file of one segment with that code, elf(5): the header, one program header, the code.
fn program(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |file: &mut Vec<u8>, values: &[u16]| {
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    let words = |file: &mut Vec<u8>, values: &[u32]| {
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    let longs = |file: &mut Vec<u8>, values: &[u64]| {
        file.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    };
    // ET_EXEC, the machine; the version; where it starts, the program headers, no sections; flags.
    halves(&mut file, &[2, code::MACHINE]);
    words(&mut file, &[1]);
    longs(&mut file, &[BASE + HEADERS, 64, 0]);
    words(&mut file, &[0]);
    halves(&mut file, &[64, 56, 1, 64, 0, 0]);
    // PT_LOAD, readable and executable; all of the file; aligned for pages of any size.
    words(&mut file, &[1, 5]);
    longs(&mut file, &[0, BASE, BASE, size, size, 0x1_0000]);
    file.extend(code);
    file
}
