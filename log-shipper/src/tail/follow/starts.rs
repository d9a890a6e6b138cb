//! Where a file that was found begins, and which files an earlier run left unfinished.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use prometheus_model::label_set::LabelSet;

use super::known_files::Known;
use super::{FILENAME_LABEL, Follower, TargetKey};
use crate::tail::file_identity::{Fingerprint, Inode};
use crate::tail::mailbox::{Generation, Message, Opened, SourceId};
use crate::tail::position_table;
use crate::tail::progress::Progress;

impl Follower {
    /// Opens a file at the place where its reading is to begin: `known` if that is clear already.
    pub(super) fn open(&self, job: usize, path: &Path, known: Option<u64>) -> io::Result<Opened> {
        let permit = self.wiring.descriptors.take().ok_or(io::ErrorKind::QuotaExceeded)?;
        let file = File::open(path)?;
        // The path may name another file than a moment ago.
        let metadata = file.metadata()?;
        let inode = Inode::of(&metadata);
        let start = match known {
            Some(start) => start,
            None => self.start_of(job, path, &file, &metadata),
        };
        let progress = Progress::new(self.wiring.numbers.next(), start);
        let beginning = Fingerprint::read(&file)?;
        Ok(Opened { file, permit, start, generation: Generation::new(inode, progress, beginning) })
    }

    /// What the saved positions say.
    fn start_of(&self, job: usize, path: &Path, file: &File, metadata: &fs::Metadata) -> u64 {
        let size = metadata.len();
        let counts_lines = self.wiring.counts_lines.get(job).is_some_and(|counts| *counts);
        let text = path.to_string_lossy();
        match self.wiring.positions.start_of(&text, Inode::of(metadata), file) {
            Ok(Some(position)) if position <= size || counts_lines => position,
            Ok(Some(position)) => {
                tracing::info!(
                    path = %path.display(), position, size,
                    "file is shorter than its position, reading it from the start"
                );
                0
            }
            Ok(None) => 0,
            Err(value) => {
                tracing::warn!(
                    path = %path.display(), value,
                    "position is no number, reading the file from the start"
                );
                0
            }
        }
    }

    /// Finishes the files that an earlier run read under this path and that it does not name any
    /// more.
    pub(super) fn resume(&mut self, id: SourceId) {
        let Some(followed) = self.sources.get(&id) else { return };
        let (target, path) = (followed.target, Arc::clone(&followed.path));
        let Some(now) = followed.current else { return };
        for record in self.wiring.positions.take_unfinished(&path, now) {
            let is_same = record.inode == now;
            let Some((name, file)) = position_table::find(&record, Some(now)) else {
                if !is_same {
                    tracing::warn!(
                        path = &*path,
                        position = record.position,
                        "a file that was rotated while the shipper was not running is gone: what \
                         it had behind this position is not shipped"
                    );
                }
                continue;
            };
            let Ok(metadata) = file.metadata() else { continue };
            let inode = Inode::of(&metadata);
            let is_known = self.known.entry(target).or_default().find(inode, &name) != Known::New;
            if inode == now || is_known || metadata.len() <= record.position {
                continue;
            }
            tracing::info!(
                path = %name.display(), position = record.position,
                "finishing a file that was rotated while the shipper was not running"
            );
            self.open_earlier(id, &name, record.position);
        }
    }

    /// Hands over a file that a path named before the one it names now.
    pub(super) fn open_earlier(&mut self, id: SourceId, name: &Path, start: u64) {
        let Some(followed) = self.sources.get(&id) else { return };
        let opened = match self.open(followed.target.0, name, Some(start)) {
            Ok(opened) => opened,
            Err(error) => {
                self.report_unreadable(name, &error);
                if let Some(followed) = self.sources.get_mut(&id)
                    && !followed.waiting.iter().any(|(known, _)| known == name)
                {
                    followed.waiting.push((name.to_path_buf(), start));
                }
                return;
            }
        };
        let Some(followed) = self.sources.get_mut(&id) else { return };
        let generation = Arc::clone(&opened.generation);
        self.known.entry(followed.target).or_default().add(&generation);
        self.wiring.positions.follow_earlier(&followed.path, id, &generation);
        followed.generations.push(generation);
        self.wiring.mailboxes[followed.worker].send(Message::Missed(id, opened));
    }

    /// Tries again to open earlier files that could not be opened.
    pub(super) fn open_waiting(&mut self) {
        let waiting: Vec<_> = self
            .sources
            .iter_mut()
            .filter(|(_, followed)| !followed.waiting.is_empty())
            .map(|(id, followed)| (*id, std::mem::take(&mut followed.waiting)))
            .collect();
        for (id, files) in waiting {
            for (name, start) in files {
                let Ok(metadata) = fs::metadata(&name) else { continue };
                let Some(target) = self.sources.get(&id).map(|followed| followed.target) else {
                    continue;
                };
                let known = self.known.entry(target).or_default();
                if known.find(Inode::of(&metadata), &name) == Known::New {
                    self.open_earlier(id, &name, start);
                }
            }
        }
    }

    pub(super) fn labels_of(&self, target: TargetKey, path: &Arc<str>) -> Arc<LabelSet> {
        static FILENAME: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(FILENAME_LABEL));
        let target = self.targets[target.0][target.1].as_ref();
        let labels = target.map(|target| Arc::clone(&target.labels)).unwrap_or_default();
        // The target's own label of that name wins, as in Promtail.
        if labels.get(FILENAME_LABEL).is_some() {
            return labels;
        }
        Arc::new(labels.with(&FILENAME, path))
    }
}
