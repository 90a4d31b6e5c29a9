#![doc = include_str!("lib.md")]

pub mod access;
mod announcement;
mod backoff;
mod backup;
mod condition;
mod config;
mod connection;
mod dead_letters;
mod delivery;
mod derived_uuid;
mod doctor;
mod effects;
mod erasable;
mod erasure;
mod error;
mod history;
mod id_key;
mod jetstream;
mod job_state;
mod json;
mod keys;
mod letter_action;
mod letter_id;
mod letter_kind;
mod live;
pub mod map;
mod matcher;
mod memory;
mod metrics;
mod mirror;
pub mod monitoring;
mod names;
mod notices;
mod operations;
mod packet;
mod position;
mod printable;
mod rapids;
mod river;
mod river_name;
mod service;
mod start;
mod stored;
pub mod telemetry;
mod timer;
pub mod trace;

pub use backup::{BackedUpStream, BackupContents, BackupStep, Restore, Restored, RestoredPosition};
pub use condition::ExpressionError;
pub use config::{Config, Delivery, parse_duration};
pub use dead_letters::{
    Chosen, Comment, DeadLetter, DeadLetters, Filter, Job, JobStep, Jobs, Kind, LetterChange,
    LetterGroup, LetterId, LetterTail, LetterWatch, Listing, NewJob, Plan, Redirect, Replays,
    StoredLetter, Tag, masked_reason,
};
pub use doctor::{Assessment, Doctor, Finding};
pub use effects::Effects;
pub use erasable::{Held, HeldIn};
pub use erasure::{Erased, Erasure, Holdings, StayingPackets};
pub use error::{Error, Result};
pub use history::{
    Conversation, Conversations, Folded, Found, History, HistoryPackets, Moment, Node, Progress,
    ReadingEnd, Reference, Subject,
};
pub use jiff::Timestamp;
// Within reach of benchmarks and fuzz targets; no part of the interface.
pub use announcement::instances::ServiceInfo;
pub use announcement::repetition::Repetition;
pub use announcement::stats::ServiceStats;
pub use delivery::provisioning::{Provisioning, ProvisioningStep};
pub use delivery::signal::shutdown_signal;
pub use jetstream::publisher::Published;
pub use jetstream::stream::StreamContents;
pub use job_state::{JobRefusal, JobState};
pub use letter_action::{Action, ActionKind, Note, Refusal, State};
#[doc(hidden)]
pub use matcher::Matcher;
pub use memory::{EntryKey, MemoryKey, Record, Unreadable};
pub use metrics::figures::{Durations, EventFigures, MemoryFigures, RiverFigures, ServiceFigures};
pub use operations::{Operation, Operations};
pub use packet::{Arrival, Names, Packet, PacketKind, PacketName};
pub use position::retire::{Retired, Retiring};
pub use position::seek::Seek;
pub use position::seek::SeekReport;
pub use position::status::{Holder, Position};
pub use printable::{Printable, printable};
pub use rapids::{
    Answer, Ask, Change, Collect, MemoryEnd, MemorySize, MemoryView, MemoryWatch, PutOff, Rapids,
    RawMessage, ReplicaState, Replication, Sending, Tail, TimerListing, WaitingTimer,
};
pub use river::{
    AfterEnd, ClauseReport, Explanation, Gathered, GatheringRiver, GivenUp, Outcome, Outputs,
    Publishes, RememberingRiver, RetryPolicy, River, Rules, Until, Verdict, is_final, reject,
    retry_after,
};
pub use river_name::RiverName;
pub use service::{Bundle, Service, bundle};
pub use start::Start;
pub use timer::{TimerChange, TimerId, When};
