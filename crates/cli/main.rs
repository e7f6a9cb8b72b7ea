//! feathercast: RTMP in, feather-light HLS out, in one static binary.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
