//! Names that come and go in watched directories: new files, renames, links.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::known_files::Known;
use super::{Follower, TargetKey};
use crate::tail::file_identity::Inode;
use crate::tail::mailbox::SourceId;

/// Names of rotated files that are listened to, per path: rotation goes on for months.
const MAX_ALIASES: usize = 16;

/// Who wants to know of a name: nearly always one source.
#[derive(Debug)]
pub(super) struct Listeners {
    first: SourceId,
    others: Vec<SourceId>,
}

impl Listeners {
    fn of(source: SourceId) -> Self {
        Self { first: source, others: Vec::new() }
    }

    fn add(&mut self, source: SourceId) {
        if self.iter().all(|known| known != source) {
            self.others.push(source);
        }
    }

    /// Keeps those that `keep` accepts; whether any is left.
    pub(super) fn retain(&mut self, keep: impl Fn(SourceId) -> bool) -> bool {
        self.others.retain(|source| keep(*source));
        if keep(self.first) {
            return true;
        }
        let next = self.others.pop();
        self.first = next.unwrap_or(self.first);
        next.is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = SourceId> {
        std::iter::once(self.first).chain(self.others.iter().copied())
    }
}

impl Follower {
    /// A name came to be, or another file took it.
    pub(super) fn appeared(&mut self, path: &Path, renamed_from: Option<&Path>) {
        if path.is_dir() {
            return self.directory_appeared(path);
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
                && Path::new(&*followed.path) != path
            {
                let (target, link) = (followed.target, Arc::clone(&followed.path));
                self.look_at(target, Path::new(&*link));
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
        if Path::new(&*followed.path) == path || followed.aliases.iter().any(|known| known == path)
        {
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
            && let Some(listeners) = names.get_mut(name)
            && !listeners.retain(|source| source != id)
        {
            names.remove(name);
        }
    }

    fn interested_in(&self, path: &Path) -> Vec<SourceId> {
        let names = path.parent().and_then(|directory| self.names.get(directory));
        let listeners = path.file_name().and_then(|name| names?.get(name));
        listeners.map(|listeners| listeners.iter().collect()).unwrap_or_default()
    }

    /// News of a path goes to a source; of what it links to, also.
    pub(super) fn listen_to(&mut self, path: &Path, id: SourceId) {
        let mut paths = vec![path.to_path_buf()];
        paths.extend(path.canonicalize().ok().filter(|real| real != path));
        for path in paths {
            let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let names = self.names.entry(directory.to_path_buf()).or_default();
            match names.get_mut(name) {
                Some(listeners) => listeners.add(id),
                None => {
                    names.insert(name.to_owned(), Listeners::of(id));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_listens_to_a_name_is_told_once_until_it_is_gone() {
        let mut listeners = Listeners::of(1);
        for source in [2, 1, 3, 2] {
            listeners.add(source);
        }
        assert_eq!(listeners.iter().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(listeners.retain(|source| source != 1));
        let mut left: Vec<_> = listeners.iter().collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
        assert!(listeners.retain(|source| source == 2));
        assert_eq!(listeners.iter().collect::<Vec<_>>(), [2]);
        assert!(!listeners.retain(|_| false));
    }
}
