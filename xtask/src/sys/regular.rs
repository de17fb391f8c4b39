//! Reads a regular file, and refuses a FIFO, a device or a folder.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// The bytes of a regular file, also by way of a symlink. Anything else in its place (a FIFO, a device, a socket) is an
/// error at once: reading it could wait for ever, or never end.
///
/// # Errors
/// As [`fs::read`]; `InvalidInput` for what is no regular file.
pub fn read_regular(path: &Path) -> std::io::Result<Vec<u8>> {
    expect_regular(path)?;
    fs::read(path)
}

/// Whether it is a regular file, also by way of a symlink.
///
/// # Errors
/// As [`read_regular`], without reading it.
pub fn expect_regular(path: &Path) -> std::io::Result<()> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, format!("it is {what}, no regular file")))
}

/// The same as text.
///
/// # Errors
/// As [`read_regular`]; `InvalidData` for what is no UTF-8.
pub fn read_text(path: &Path) -> std::io::Result<String> {
    String::from_utf8(read_regular(path)?).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}
