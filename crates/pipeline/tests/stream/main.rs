//! Both halves of the pipeline together, driven by messages, judged from outside.

mod hostile;
mod overload;
mod pictures;
mod prop_stream;
mod real_streams;
mod shapes;
mod support;
