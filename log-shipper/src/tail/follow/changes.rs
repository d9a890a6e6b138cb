//! What comes and goes with discovery and with the patterns: targets, and paths that vanish.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Follower, TargetKey};
use crate::discovery::target::Target;
use crate::tail::mailbox::{Message, SourceId};

impl Follower {
    /// Targets that stay keep their place, because sources name it. The places of the new ones.
    pub(super) fn update_targets(&mut self, jobs: Vec<Vec<Target>>) -> Vec<TargetKey> {
        let mut added = Vec::new();
        self.targets.resize_with(jobs.len(), Vec::new);
        // Pods come and go for months: a place is given away when nothing names it any more.
        let named: HashSet<TargetKey> = self
            .sources
            .values()
            .map(|followed| followed.target)
            .chain(self.known.keys().copied())
            .collect();
        for (job, (places, targets)) in self.targets.iter_mut().zip(jobs).enumerate() {
            let wanted: HashSet<_> = targets.iter().map(Target::identity).collect();
            for place in places.iter_mut() {
                if place.as_ref().is_some_and(|known| !wanted.contains(&known.identity())) {
                    *place = None;
                }
            }
            let known: HashSet<_> = places.iter().flatten().map(Target::identity).collect();
            let is_new: Vec<bool> =
                targets.iter().map(|target| !known.contains(&target.identity())).collect();
            let new = targets.into_iter().zip(is_new).filter(|(_, is_new)| *is_new);
            let mut free = 0;
            for (target, _) in new {
                let is_free =
                    |index: &usize| places[*index].is_none() && !named.contains(&(job, *index));
                let place = (free..places.len()).find(is_free).unwrap_or(places.len());
                free = place + 1;
                added.push((job, place));
                if place == places.len() {
                    places.push(Some(target));
                } else {
                    places[place] = Some(target);
                }
            }
        }
        self.leave_gone_targets();
        added
    }

    /// Files of a target that is gone: another target of the job takes them over where they are, or
    /// they are read up to what is there now. They are not finished as rotated files are, because
    /// somebody may go on writing to them.
    fn leave_gone_targets(&mut self) {
        let gone: Vec<SourceId> = self
            .sources
            .iter()
            .filter(|(_, followed)| !followed.is_left)
            .filter(|(_, followed)| self.targets[followed.target.0][followed.target.1].is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            let Some(followed) = self.sources.get_mut(&id) else { continue };
            let job = followed.target.0;
            let covers = |target: &Option<Target>| {
                target.as_ref().is_some_and(|target| target.covers(Path::new(&*followed.path)))
            };
            let successor = self.targets[job].iter().position(covers).map(|index| (job, index));
            let successor = successor.filter(|_| followed.current.is_some());
            let is_shared = |successor: &TargetKey| {
                let paths = self.by_path.get(successor);
                paths.is_some_and(|paths| paths.contains_key(&followed.path))
            };
            let until = match successor {
                Some(successor) if !is_shared(&successor) => {
                    self.hand_over(id, successor);
                    continue;
                }
                // The other target reads the same lines.
                Some(_) => 0,
                None => fs::metadata(&*followed.path).map_or(u64::MAX, |metadata| metadata.len()),
            };
            followed.is_left = true;
            if followed.current.take().is_some() {
                self.wiring.mailboxes[followed.worker].send(Message::Left(id, until));
            }
        }
    }

    /// A target with other labels follows a source from now on: its files stay open, so that no line
    /// is missed or read twice.
    fn hand_over(&mut self, id: SourceId, successor: TargetKey) {
        let Some(followed) = self.sources.get_mut(&id) else { return };
        let former = std::mem::replace(&mut followed.target, successor);
        if let Some(paths) = self.by_path.get_mut(&former) {
            paths.remove(&followed.path);
            if paths.is_empty() {
                self.by_path.remove(&former);
            }
        }
        self.by_path.entry(successor).or_default().insert(Arc::clone(&followed.path), id);
        let known = self.known.remove(&former);
        let known_now = self.known.entry(successor).or_default();
        known_now.absorb(known.unwrap_or_default());
        for generation in &followed.generations {
            known_now.add(generation);
        }
        let (worker, path) = (followed.worker, Arc::clone(&followed.path));
        let labels = self.labels_of(successor, &path);
        self.wiring.mailboxes[worker].send(Message::Relabelled(id, labels));
        tracing::info!(path = &*path, "lines of a file get other labels");
    }

    /// Sources whose path is gone are finished; when their worker is done they are forgotten.
    pub(super) fn forget_vanished(&mut self, seen: &HashSet<SourceId, RandomState>) {
        let gone: Vec<SourceId> =
            self.sources.keys().filter(|id| !seen.contains(id)).copied().collect();
        let mut is_forgotten = false;
        for id in gone {
            let Some(followed) = self.sources.get_mut(&id) else { continue };
            // A directory that could not be listed is no proof.
            let is_there = || match fs::metadata(&*followed.path) {
                Ok(_) => true,
                Err(error) => {
                    !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
                }
            };
            if !followed.is_left && is_there() {
                continue;
            }
            self.end_current(Some(id));
            let Some(followed) = self.sources.get_mut(&id) else { continue };
            followed.generations.retain(|generation| generation.closed.get().is_none());
            if followed.generations.is_empty() {
                self.forget(id);
                is_forgotten = true;
            }
        }
        if is_forgotten {
            let sources = &self.sources;
            self.names.retain(|_, names| {
                names.retain(|_, listeners| listeners.retain(|id| sources.contains_key(&id)));
                !names.is_empty()
            });
        }
        for known in self.known.values_mut() {
            known.tidy();
        }
        let targets = &self.targets;
        let sources = &self.sources;
        self.known.retain(|(job, index), _| {
            targets[*job][*index].is_some()
                || sources.values().any(|followed| followed.target == (*job, *index))
        });
        self.unreadable.retain(|path, _| path.try_exists().unwrap_or(true));
    }

    /// Its names are forgotten by the caller, those of many sources at once.
    fn forget(&mut self, id: SourceId) {
        let Some(followed) = self.sources.remove(&id) else { return };
        self.wiring.positions.unfollow(&followed.path, id);
        self.wiring.mailboxes[followed.worker].send(Message::Forgotten(id));
        if let Some(paths) = self.by_path.get_mut(&followed.target) {
            paths.remove(&followed.path);
            if paths.is_empty() {
                self.by_path.remove(&followed.target);
            }
        }
    }
}
