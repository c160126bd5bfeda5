//! Directories whose files only their owner may read, whatever mode a library gives them: RocksDB asks for 0644.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

const DIRECTORY: u32 = 0o700;
const FILE: u32 = 0o600;

/// The name under which Linux keeps the rights that new files of a directory begin with (acl(5)).
const DEFAULT_ACL: &str = "system.posix_acl_default";

/// Read, write and execute for the owner, nothing for the group and others, in the layout of Linux: version 2, and for each entry
/// its tag, its rights and no id.
const OWNER_ONLY: [u8; 28] = [
    2, 0, 0, 0, //
    0x01, 0, 7, 0, 0xff, 0xff, 0xff, 0xff, //
    0x04, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, //
    0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
];

/// Creates a directory with its parents, or takes the rights of others on the files in it. A process's umask would do as well, but
/// is for all of its files, and can be set only by unsafe code. A file system without ACLs gives new files the mode that is asked
/// for; the directory is closed to others all the same.
///
/// # Errors
/// It cannot be created or read.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY).create(path)?;
    let _ = xattr::set(path, DEFAULT_ACL, &OWNER_ONLY);
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            take_rights(&entry.path())?;
        }
    }
    Ok(())
}

fn take_rights(file: &Path) -> io::Result<()> {
    match fs::set_permissions(file, Permissions::from_mode(FILE)) {
        // Another user's, or one that RocksDB has deleted in the meantime.
        Err(error) if !matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound) => Err(error),
        _ => Ok(()),
    }
}
