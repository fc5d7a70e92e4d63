#![no_main]

#[path = "../../tests/hostile/subjects.rs"]
#[allow(dead_code)]
mod subjects;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    subjects::schema(bytes);
});
