//! Label sets as JSON objects.

use std::fmt;

use prometheus_model::label_set::LabelSet;
use serde::de::{MapAccess, Visitor};
use serde::{Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(
    labels: &LabelSet,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter())
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<LabelSet, D::Error> {
    struct Labels;

    impl<'de> Visitor<'de> for Labels {
        type Value = LabelSet;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of names and texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LabelSet, A::Error> {
            let mut labels = LabelSet::new();
            while let Some((name, value)) = map.next_entry::<String, String>()? {
                labels.set(&name, &value);
            }
            Ok(labels)
        }
    }

    deserializer.deserialize_map(Labels)
}
