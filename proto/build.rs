//! Compiles the protocols with protox, so that no machine needs protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["schema/expert.proto", "schema/coordinator.proto"];
    for file in files {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(files, ["schema"])?;
    // Tensor payloads arrive as slices of the receive buffer instead of copies.
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
