//! Link arguments of the teller: static, without a C library, its own `_start`. For this one
//! binary only, so that a plain `cargo build` is enough.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    for arg in ["-nostartfiles", "-nostdlib", "-static", "-no-pie", "-Wl,--no-eh-frame-hdr"] {
        println!("cargo:rustc-link-arg-bin=puppet={arg}");
    }
}
