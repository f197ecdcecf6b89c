//! The `pushgate` binary; everything is in the library. It keeps the system's allocator: mimalloc was as fast here and
//! took twice the memory per idle stream.

use std::process::ExitCode;

fn main() -> ExitCode {
    pushgate::run(std::env::args_os())
}
