//! Names that come and go in watched directories: new files, renames, links.

use std::fs;
use std::path::Path;

use super::known_files::Known;
use super::{Follower, TargetKey};
use crate::tail::file_identity::Inode;
use crate::tail::mailbox::SourceId;

/// Names of rotated files that are listened to, per path: rotation goes on for months.
const MAX_ALIASES: usize = 16;

impl Follower {
    /// A name came to be, or another file took it.
    pub(super) fn appeared(&mut self, path: &Path, renamed_from: Option<&Path>) {
        let is_directory = path.is_dir();
        if is_directory {
            // Files may be in it already.
            self.search_again_soon();
            return;
        }
        if let Some(from) = renamed_from {
            self.renamed(from, path);
        }
        let matching: Vec<TargetKey> = self
            .targets
            .iter()
            .enumerate()
            .flat_map(|(job, targets)| {
                targets.iter().enumerate().map(move |(index, target)| ((job, index), target))
            })
            .filter(|(_, target)| target.as_ref().is_some_and(|target| target.covers(path)))
            .map(|(key, _)| key)
            .collect();
        for target in matching {
            self.look_at(target, path);
        }
        // A link's target may have been replaced: the name is known, but under another path.
        for id in self.interested_in(path) {
            if let Some(followed) = self.sources.get(&id)
                && followed.path != path
            {
                let (target, link) = (followed.target, followed.path.clone());
                self.look_at(target, &link);
            }
        }
    }

    /// A file that is followed got another name. If it was not opened under its old one, because
    /// it was rotated away too soon, it is now.
    fn renamed(&mut self, from: &Path, to: &Path) {
        for id in self.interested_in(from) {
            let Some(followed) = self.sources.get(&id) else { continue };
            let target = followed.target;
            self.add_alias(to, id);
            let Ok(metadata) = fs::metadata(to) else { continue };
            let inode = Inode::of(&metadata);
            let known = self.known.entry(target).or_default().find(inode, to);
            if metadata.is_file() && matches!(known, Known::New) {
                tracing::info!(path = %to.display(), "file was rotated before it was opened");
                self.open_earlier(id, to, 0);
            }
        }
    }

    /// Late lines of a rotated file come under its new name; so does its next rename.
    fn add_alias(&mut self, path: &Path, id: SourceId) {
        self.listen_to(path, id);
        let Some(followed) = self.sources.get_mut(&id) else { return };
        if followed.path == path || followed.aliases.iter().any(|known| known == path) {
            return;
        }
        followed.aliases.push_back(path.to_path_buf());
        if followed.aliases.len() <= MAX_ALIASES {
            return;
        }
        let oldest = followed.aliases.pop_front();
        let place = oldest.as_deref().and_then(|path| Some((path.parent()?, path.file_name()?)));
        if let Some((directory, name)) = place
            && let Some(names) = self.names.get_mut(directory)
            && let Some(sources) = names.get_mut(name)
        {
            sources.retain(|source| *source != id);
            if sources.is_empty() {
                names.remove(name);
            }
        }
    }

    fn interested_in(&self, path: &Path) -> Vec<SourceId> {
        let names = path.parent().and_then(|directory| self.names.get(directory));
        let sources = path.file_name().and_then(|name| names?.get(name));
        sources.cloned().unwrap_or_default()
    }

    /// News of a path goes to a source; of what it links to, also.
    pub(super) fn listen_to(&mut self, path: &Path, id: SourceId) {
        let mut paths = vec![path.to_path_buf()];
        paths.extend(path.canonicalize().ok().filter(|real| real != path));
        for path in paths {
            let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let names = self.names.entry(directory.to_path_buf()).or_default();
            let sources = names.entry(name.to_owned()).or_default();
            if !sources.contains(&id) {
                sources.push(id);
            }
        }
    }
}
