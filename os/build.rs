//! Link arguments of the program `lastout`, and of the example `mininit` that it is measured
//! against: static, without the C library's start-up code, in one segment (link.ld). They are
//! given here, for these two, so that a plain `cargo build` on the stock gnu target is enough,
//! and tests and libraries link as usual.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=link.ld");
    println!("cargo:rerun-if-changed=benches/mininit.ld");
    for arg in [
        // Our own _start (main.rs), no C library, no interpreter, and fixed addresses, so that
        // nothing has to be relocated before the first instruction.
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,-z,norelro",
        "-Wl,-z,max-page-size=4096",
        "-Wl,--build-id=none",
        "-Wl,--no-eh-frame-hdr",
    ] {
        give(arg);
    }
    // Unoptimised code of the standard library brings writable data along; it may have it.
    if std::env::var("OPT_LEVEL").is_ok_and(|level| level != "0") {
        println!("cargo:rustc-link-arg-bin=lastout=-Wl,-T,{directory}/link.ld");
        println!("cargo:rustc-link-arg-examples=-Wl,-T,{directory}/benches/mininit.ld");
    }
}

/// Cargo knows link arguments of one program, and of all examples: there is one.
fn give(arg: &str) {
    println!("cargo:rustc-link-arg-bin=lastout={arg}");
    println!("cargo:rustc-link-arg-examples={arg}");
}
