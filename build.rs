//! Compiles `proto/push.proto` for `crates/protocol`, whose manifest names this file. Cargo runs it with that
//! package's folder as current directory; protox reads the file, so that no `protoc` has to be installed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let proto = root.join("proto");
    println!("cargo:rerun-if-changed={}", proto.display());
    println!("cargo:rerun-if-changed={}", root.join("build.rs").display());
    let descriptors = protox::compile([proto.join("push.proto")], [&proto])?;
    prost_build::Config::new().compile_fds(descriptors)?;
    Ok(())
}
