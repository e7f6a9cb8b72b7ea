//! Both halves of the pipeline together, driven by messages, judged from outside.

mod audio;
mod bad_input;
mod change;
mod field_cases;
mod hostile;
mod keyframes;
mod light;
mod on_demand;
mod overload;
mod pictures;
mod prop_make;
mod prop_stream;
mod rates;
mod real_streams;
mod refusal;
mod shapes;
mod slate;
mod solo;
mod support;
mod time;
