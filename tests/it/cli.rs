//! The command line and the streams through the binary: bad input is named and changes nothing, the answer goes to
//! stdout and everything else to stderr, colour and quiet and verbose do what they say.
