//! The cards beside the models of a pipeline file. Each is read once.

use super::card::Card;
use super::error::CardError;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Reads cards of model files that are named relative to one directory.
pub struct Cards<'d> {
    directory: &'d Path,
    read: RefCell<HashMap<PathBuf, Rc<CardResult>>>,
}

/// The card of a model file, if it has one.
pub type CardResult = Result<Option<Card>, CardError>;

impl<'d> Cards<'d> {
    /// Cards of model files that are named relative to `directory`.
    pub fn new(directory: &'d Path) -> Cards<'d> {
        Cards {
            directory,
            read: RefCell::default(),
        }
    }

    /// The directory that model files are relative to.
    pub fn directory(&self) -> &Path {
        self.directory
    }

    /// The card of a model file.
    pub fn of(&self, file: &str) -> Rc<CardResult> {
        let path = self.directory.join(file);
        let mut read = self.read.borrow_mut();
        let card = read.entry(path).or_insert_with_key(|path| Rc::new(Card::of(path)));
        Rc::clone(card)
    }
}
