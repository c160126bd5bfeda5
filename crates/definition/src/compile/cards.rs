//! The model cards that a file needs, each read once.

use crate::card::{Card, CardError};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Cards beside model files in one directory.
pub struct Cards<'d> {
    directory: &'d Path,
    read: RefCell<HashMap<PathBuf, Rc<CardResult>>>,
}

/// A card, none, or what is wrong with it.
pub type CardResult = Result<Option<Card>, CardError>;

impl<'d> Cards<'d> {
    /// Of model files named relative to `directory`.
    pub fn new(directory: &'d Path) -> Cards<'d> {
        Cards {
            directory,
            read: RefCell::default(),
        }
    }

    /// Where model files are looked for.
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
