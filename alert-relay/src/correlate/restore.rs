//! Rows of the journal, written at the end of a turn and read at a start.
//!
//! What cannot be read stops the start: an engine that lacks a part of its past would tell people
//! the wrong things for a long time.

use std::sync::Arc;

use super::Engine;
use super::case::{Case, CaseRow};
use super::history::{Statistics, Subject};
use super::tracked::{AlertRow, Tracked, Via};
use crate::alert::Identity;
use crate::config::Config;
use crate::incident::{Changes, Phase, Row, Table};

/// Key of the highest number among forgotten histories.
const FLOOR: &[u8] = b"correlate.floor";

/// Why rows cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// A key.
    #[error("a key of the table {} is none of its kind: {key}", .table.name())]
    Key {
        /// Where.
        table: Table,
        /// As text, as far as it is one.
        key: String,
    },
    /// A value.
    #[error("the row {key} of the table {} cannot be read", .table.name())]
    Value {
        /// Where.
        table: Table,
        /// As text, as far as it is one.
        key: String,
        /// What is wrong with the JSON.
        #[source]
        cause: serde_json::Error,
    },
}

impl Engine {
    /// As the engine was that wrote these rows, deciding by this configuration from now on. Rows of
    /// other tables are passed over.
    ///
    /// # Errors
    /// A row that cannot be read.
    pub fn restore<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        config: Arc<Config>,
        rows: impl IntoIterator<Item = (Table, K, V)>,
    ) -> Result<Self, RestoreError> {
        let mut engine = Self::new(config);
        for (table, key, value) in rows {
            engine.read(table, key.as_ref(), value.as_ref())?;
        }
        engine.connect();
        Ok(engine)
    }

    fn read(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), RestoreError> {
        let shown = || String::from_utf8_lossy(key).into_owned();
        let wrong = |cause| RestoreError::Value { table, key: shown(), cause };
        let wrong_key = || RestoreError::Key { table, key: shown() };
        match table {
            Table::Alerts => {
                let identity = key.try_into().map(Identity::from_bytes).map_err(|_| wrong_key())?;
                let row: AlertRow = serde_json::from_slice(value).map_err(wrong)?;
                let alert = Tracked::from_row(row, &self.rules, &mut self.symbols);
                if let Some(ended) = alert.status.ended {
                    self.ended.insert((ended, identity));
                }
                self.alerts.insert(identity, Box::new(alert));
            }
            Table::Incidents => {
                let row: CaseRow = serde_json::from_slice(value).map_err(wrong)?;
                let id = Arc::new(row.incident.id.clone());
                let class = self.symbols.take(&row.incident.class.join("\u{1f}"));
                if let Phase::Resolved { at } = row.incident.phase {
                    self.resolved.insert((at, Arc::clone(&id)));
                }
                let (incident, plan) = (row.incident, row.plan);
                let case = Case { incident, plan, class, own: 0, critical: 0, timer: None };
                self.incidents.insert(id, case);
            }
            Table::Classes => {
                let subject = Subject::parse(key).ok_or_else(wrong_key)?;
                let entry: Statistics = serde_json::from_slice(value).map_err(wrong)?;
                self.history.insert(subject, entry);
            }
            Table::Singles if key == FLOOR => {
                self.history.floor = serde_json::from_slice(value).map_err(wrong)?;
            }
            Table::Singles | Table::Deliveries => {}
        }
        Ok(())
    }

    /// What follows from the rows together.
    fn connect(&mut self) {
        for (identity, alert) in &mut self.alerts {
            let Some(id) = alert.status.incident.clone() else { continue };
            let Some((shared, _)) = self.incidents.get_key_value(&id) else { continue };
            let shared = Arc::clone(shared);
            // In planned work it is recorded, and not part of what it once belonged to.
            if alert.status.is_firing()
                && alert.status.maintenance.is_none()
                && let Some(case) = self.incidents.get_mut(&id)
            {
                case.incident.firing.insert(*identity);
                case.own += usize::from(alert.status.via != Via::Dependency);
                case.critical += usize::from(alert.pages);
                self.index.add(alert, &shared);
            }
            alert.status.incident = Some(shared);
        }
        for (id, case) in &self.incidents {
            if case.is_root() {
                self.index.open(case.class, id);
            }
            if let (Some(parent), Phase::Folded) = (&case.incident.parent, case.incident.phase) {
                self.index.fold(id, &Arc::new(parent.clone()));
            }
        }
        for identity in self.alerts.keys().copied().collect::<Vec<_>>() {
            self.refresh_alert(identity);
        }
        for id in self.incidents.keys().cloned().collect::<Vec<_>>() {
            self.refresh_incident(&id);
        }
    }

    /// All rows as they are: a new configuration takes over by reading them.
    pub fn rows(&mut self) -> Vec<Row> {
        self.dirty.alerts.extend(self.alerts.keys());
        self.dirty.incidents.extend(self.incidents.keys().cloned());
        let subjects: Vec<_> = self.history.iter().map(|(subject, _)| subject.clone()).collect();
        self.history.touched.extend(subjects);
        self.dirty.has_floor = true;
        let mut changes = Changes::default();
        self.write_rows(&mut changes);
        changes.rows
    }

    pub(super) fn write_rows(&mut self, changes: &mut Changes) {
        for identity in std::mem::take(&mut self.dirty.alerts) {
            let alert = self.alerts.get(&identity);
            let value = alert.map(|alert| json(&alert.row(&self.symbols)));
            let key = identity.as_bytes().to_vec();
            changes.rows.push(Row { table: Table::Alerts, key, value });
        }
        for id in std::mem::take(&mut self.dirty.incidents) {
            let key = id.to_string().into_bytes();
            let value = self.incidents.get_mut(&id).map(Case::row);
            changes.rows.push(Row { table: Table::Incidents, key, value });
        }
        let floor = self.history.floor;
        for subject in std::mem::take(&mut self.history.touched) {
            let entry = self.history.get(&subject);
            self.dirty.has_floor |= entry.is_none();
            let value = entry.map(json);
            changes.rows.push(Row { table: Table::Classes, key: subject.key(), value });
        }
        if std::mem::take(&mut self.dirty.has_floor) && floor > 0 {
            let (key, value) = (FLOOR.to_vec(), Some(json(&floor)));
            changes.rows.push(Row { table: Table::Singles, key, value });
        }
    }
}

pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts, numbers and maps with text keys are always JSON")
}
