//! Which model files a roll-out may name.

use crate::compile::ModelPlaces;
use crate::diagnostics::{Diagnostic, Diagnostics};
use crate::syntax::{ModelSection, RolloutFile};
use std::path::{Component, Path, PathBuf};

/// Checks that all models lie below the pipeline file or beside its model: the text of a roll-out may come over the
/// network. Returns false if one does not.
pub fn check_paths(file: &RolloutFile, places: &ModelPlaces, diagnostics: &mut Diagnostics) -> bool {
    let mut is_allowed = true;
    let sections = sections(file).flat_map(|section| {
        let fallback = section.fallback.as_ref().map(|fallback| &fallback.value);
        [Some(section), fallback].into_iter().flatten()
    });
    for named in sections.filter_map(|section| section.file.0.as_ref()) {
        if !may_read(places, &named.value) {
            is_allowed = false;
            let message = format!(
                "`{}` is neither below the pipeline file nor beside its model",
                named.value
            );
            diagnostics.add(Diagnostic::new(message, named.span.clone()).help(
                "put the model beside the pipeline file's model, and write its path relative to the pipeline file",
            ));
        }
    }
    is_allowed
}

/// The sections of all models, without fallbacks.
fn sections(file: &RolloutFile) -> impl Iterator<Item = &ModelSection> {
    let challengers = file.challengers.0.iter();
    let challengers = challengers.filter_map(|challenger| challenger.value.model.0.as_ref());
    let deciders = file.champion.iter().chain(challengers).map(|model| &model.value);
    deciders.chain(file.shadows.0.iter().map(|shadow| &shadow.value))
}

fn may_read(places: &ModelPlaces, file: &str) -> bool {
    let own_model = places.model.as_ref().map(|model| places.directory.join(model));
    let beside = own_model.as_ref().and_then(|model| model.parent()).map(normal);
    let below = normal(&places.directory);
    let file = normal(&places.directory.join(file));
    // The empty path is the working directory. Every path that does not climb out of it lies below it.
    let lies_in = |folder: &Path| match folder.as_os_str().is_empty() {
        true => matches!(file.components().next(), Some(Component::Normal(_))),
        false => file.starts_with(folder),
    };
    lies_in(&below) || beside.is_some_and(|beside| lies_in(&beside))
}

/// The path without `.`, and without `..` where it follows a name.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_lie_below_the_pipeline_or_beside_its_model() {
        let places = |directory: &str| ModelPlaces {
            directory: directory.into(),
            model: Some("../models/old.onnx".into()),
        };
        for (file, may) in [
            ("new.onnx", true),
            ("./a/new.onnx", true),
            ("../models/new.onnx", true),
            ("../models/a/new.onnx", true),
            ("../pipelines/../models/new.onnx", true),
            ("../secrets/new.onnx", false),
            ("../models/../secrets/new.onnx", false),
            ("../../models/new.onnx", false),
            ("/etc/passwd", false),
        ] {
            for directory in ["pipelines", "/srv/pipelines", "../up/pipelines"] {
                assert_eq!(may_read(&places(directory), file), may, "{file} from {directory}");
            }
        }
        let alone = ModelPlaces {
            model: None,
            ..places("")
        };
        assert!(may_read(&alone, "models/new.onnx"));
        assert!(!may_read(&alone, "../models/new.onnx"));
    }
}
