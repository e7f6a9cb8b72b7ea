#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::fuzzing::stream(data));
