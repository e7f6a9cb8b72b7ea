#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| amf0::fuzzing::value(data));
