//! Unix sockets beside TCP, for nodes and gateways of one machine that share a folder.
//!
//! Keeps true: a socket is named after the address by which its node is known, so whoever finds it there has found
//! that node; where it is not, or nobody answers, TCP is used.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// Where in `folder` the node that is reached at `address` (`host:port`) has its socket.
pub fn socket_path(folder: &Path, address: &str) -> PathBuf {
    let name = address.replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-', "_");
    folder.join(format!("{name}.sock"))
}

/// A listening socket, whose file goes when it does.
#[derive(Debug)]
pub struct ExpertSocket {
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
}

#[derive(Debug)]
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Left behind it does no harm: nobody answers there.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl ExpertSocket {
    /// Listens in `folder`, which is made, for this user alone, if it is not there, as the node that is reached at
    /// `address`.
    ///
    /// - Errors: the folder cannot be written, or the path is longer than a socket's may be (about 100 bytes).
    pub fn bind(folder: &Path, address: &str) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = socket_path(folder, address);
        // Whoever had this address before is gone: it is ours now.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, file: SocketFile(path) })
    }
}
