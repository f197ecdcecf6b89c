//! End-to-end tests: the real gateway and the real simulator over real sockets, on free loopback ports and in temporary
//! folders. One binary, so that everything is linked once.

mod architecture;
mod binary;
mod delivery;
mod resume;
mod stack;
mod stream;
