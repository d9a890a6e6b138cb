//! The stable names of findings: scripts match them, and the migration guide explains each under its
//! name. A name that was published is never given another meaning.

use std::fmt;

/// What a finding means for who wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Category {
    /// It does not start.
    Refused,
    /// It starts, but hardly does what was meant, or may lose something.
    Warning,
    /// A key that is accepted and changes nothing.
    NoEffect,
    /// It does better than Promtail here, which may be visible.
    Difference,
}

impl Category {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warning => "warning",
            Self::NoEffect => "no-effect",
            Self::Difference => "difference",
        }
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $category:ident;)+) => {
        /// What kind of finding it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum FindingName {
            $($(#[$doc])* $variant,)+
        }

        impl FindingName {
            /// Every name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As it is printed, in lowercase with hyphens.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// What it means for a start.
            pub fn category(self) -> Category {
                match self {
                    $(Self::$variant => Category::$category,)+
                }
            }
        }
    };
}

names! {
    /// Not YAML, an unknown key, a value of a wrong type.
    InvalidConfiguration = "invalid-configuration", Refused;
    /// A stage that cannot be built.
    InvalidStage = "invalid-stage", Refused;
    /// A source of Promtail that is not read here.
    SourceNotSupported = "source-not-supported", Refused;
    /// Well-formed, but nothing that can be started.
    RefusedAtStart = "refused-at-start", Refused;

    /// A second source in one job.
    SourceIgnored = "source-ignored", Warning;
    /// A bare number of nanoseconds.
    DurationWithoutUnit = "duration-without-unit", Warning;
    /// `${1}` with expansion of the environment.
    ExpandedToNothing = "expanded-to-nothing", Warning;
    /// A misspelt key of a stage.
    UnknownStageKey = "unknown-stage-key", Warning;
    /// A stage that can do nothing, or hardly what was meant.
    DoubtfulStage = "doubtful-stage", Warning;
    /// Two definitions of one metric, or a name that is none.
    DoubtfulMetric = "doubtful-metric", Warning;
    /// All labels of pods become labels of streams.
    LabelmapOfAllPodLabels = "labelmap-of-all-pod-labels", Warning;
    /// A label that has a value of its own for each request, pod or line.
    HighCardinalityLabel = "high-cardinality-label", Warning;
    /// Attempts end, and a batch with them.
    BatchesGivenUp = "batches-given-up", Warning;
    /// 429 drops a batch.
    RateLimitedBatchesDropped = "rate-limited-batches-dropped", Warning;
    /// `readline_rate` drops lines instead of waiting.
    ReadlineRateDrops = "readline-rate-drops", Warning;
    /// Targets of other nodes cannot be told apart.
    HostnameMissing = "hostname-missing", Warning;
    /// The positions file does not outlive the machine or the pod.
    PositionsNotDurable = "positions-not-durable", Warning;

    /// A key that changes nothing here.
    KeyWithoutEffect = "key-without-effect", NoEffect;

    /// What is saved as read is what Loki has.
    PositionsFollowDelivery = "positions-follow-delivery", Difference;
    /// One client keeps a batch until it is accepted.
    BatchesKeptUntilAccepted = "batches-kept-until-accepted", Difference;
    /// Several clients do not wait for each other.
    ClientsHaveOwnQueues = "clients-have-own-queues", Difference;
    /// `wal` is durable and delivered after a crash.
    WalIsDelivered = "wal-is-delivered", Difference;
    /// `max_streams` drops entries, and not the client.
    MaxStreamsDropsEntries = "max-streams-drops-entries", Difference;
    /// `match` keeps the order of lines.
    MatchKeepsOrder = "match-keeps-order", Difference;
    /// `cri` gives up one stream's parts, not all.
    CriPartsStayApart = "cri-parts-stay-apart", Difference;
    /// UTF-16 is decoded.
    EncodingIsDecoded = "encoding-is-decoded", Difference;
    /// A reload that fails changes nothing.
    ReloadIsAtomic = "reload-is-atomic", Difference;
}

impl fmt::Display for FindingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
