#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| forwarded::fuzzing::proxy_header(data));
