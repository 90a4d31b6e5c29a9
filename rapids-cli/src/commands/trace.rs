//! `rapids trace`: prints what came of a packet.
//!
//! Finding and reading conversations is left to the library, printing them to the files beside.

mod bar;
mod follow;
mod json;
mod lines;
mod mermaid;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use rapids_client::{
    Config, Conversation, Conversations, DeadLetters, Error, Found, ReadingEnd, Reference,
    Timestamp,
};
use rapids_views::since;

use crate::exit::{Answer, Fault};
use crate::filter::Filter;
use crate::screen::Screen;
use crate::session::Session;
use crate::times::duration;
use bar::with_bar;
use follow::Following;

/// More edges than this are drawn by Mermaid only if it is told to.
const MOST_EDGES: usize = 500;

/// Print all that came of a packet, as a tree
///
/// Prints the whole conversation that a packet belongs to: each packet below the one that caused it, and
/// the dead letters below the packets that they are about, with what became of them.
///
/// Each line tells the sequence of the packet; the time since the first packet; the time since its cause
/// was stored, which is how long the reaction took, with the time in which the cause waited for it; its
/// event, need or command; the service that published it (`outside`: none did); and its facts. The line
/// of a letter begins with `letter`; its times are those from the packet to the letter.
///
/// Reading begins at the first packet of the conversation, and ends at the end of the stream. With --quiet
/// it ends before that, once the conversation was quiet for that long and every service has handled its last
/// packet: what a service that was down for longer, or a reaction that was tried again later, led to is not
/// looked for then. What has expired is not there any more: a packet whose cause is missing stands below a
/// line that says so. Of more than 100,000 packets, 256 MiB of them or 10,000 letters, the first are printed,
/// with a warning.
///
/// With --state each line tells what the packet changes in place of its facts: `key: value` where the
/// key is new, `key: old -> new` where an earlier packet, in the order of the stream, said something else;
/// a line at the end tells all that is known. A fact is a key of the top level. Numbers and texts are
/// exact; of a long list or object the size is shown. With --until that is the state at a moment; what has
/// become of dead letters is told as it is now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rapids trace 17
  rapids trace 0193a5c2-7d1e-7b4a-9c55-3f2a9c51e7d0 --follow
  rapids trace --where \"@.order_id == 'o-1'\"
  rapids trace 17 --state --until '2026-11-23 10:00'
  rapids trace 17 -o mermaid > conversation.mmd

A sequence, an id such as RAPIDS-1793491200-17 and a UUIDv7 tell where to look; other ids, and --where,
take a reading of the stream.

With -o json an object per conversation: `conversation`, its id; `packets`, in the order of the stream,
each with `id`, `parent` (the id of the packet or letter that it stands below, or null), `causation_id`,
`cause_is_missing`, `kind` and `name`, `publisher` (or null), `sequence`, `stored`, `since_first` and
`since_cause` (in seconds) and `packet`, the packet itself; `letters`, each as `dead-letters list` prints
it, with `parent`; `missing`, the ids of causes that are not there; `read_to`, the sequence up to which the
stream was read; and `end`: `stream`, `quiet` (later packets were not looked for), `moment` (of --until) or `limit` (there was more
than is printed). With --state also `changes` of each packet, by key, each with `new` and maybe `old`; and
`state`, all that is known at the end. With --follow then an object per packet (`packet`) and
letter (`letter`), each with `conversation`.")]
pub(crate) struct Trace {
    #[command(flatten)]
    which: Which,

    /// Do not read to the end of the stream: stop once the conversation was quiet for this long, in the time
    /// of the stream. What came of it later is not looked for
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    quiet: Option<Duration>,

    /// Print what each packet changes in place of its facts, and at the end all that is known
    #[arg(long)]
    state: bool,

    /// Print conversations as they were at this time (`2026-11-21 09:30`, in UTC unless it says otherwise) or
    /// so long ago (`90s`, `1h30m`, `2d`)
    #[arg(long, value_name = "TIME", conflicts_with = "follow",
          value_parser = |text: &str| since(text, Timestamp::now()))]
    until: Option<Timestamp>,

    /// Then print what comes, until Ctrl-C: each packet with the sequence of its cause
    #[arg(short, long)]
    follow: bool,

    /// How to print conversations
    #[arg(short, long, value_name = "FORMAT", default_value = "line")]
    output: Output,
}

/// Which conversations.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// A packet: its sequence in the stream, or its id; or the correlation id of a conversation
    #[arg(value_name = "ID")]
    id: Option<Reference>,

    /// All conversations with a packet that matches this RFC 9535 filter expression, with the packet as
    /// `@`
    #[arg(long = "where", value_name = "EXPRESSION")]
    filter: Option<Filter>,
}

/// How conversations are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Lines for people; their look may change
    Line,
    /// One JSON object per line, for programs; keys are added, never renamed
    Json,
    /// A flowchart in Mermaid's language
    Mermaid,
}

impl Trace {
    pub(crate) async fn run(self, session: &Session) -> Result<Answer> {
        if self.follow && self.output == Output::Mermaid {
            let words = "a flowchart cannot be followed: leave out `--follow`, or `-o mermaid`";
            return Err(Fault::Usage(words.to_owned()).into());
        }
        if self.state && self.output == Output::Mermaid {
            let words = "a flowchart has no room for a state: leave out `--state`, or `-o mermaid`";
            return Err(Fault::Usage(words.to_owned()).into());
        }
        let config = session.config()?;
        let rapids = session.rapids().await?;
        let letters = Box::pin(open_letters(&config, &session.screen)).await?;
        let conversations = Conversations::new(rapids.clone(), letters);
        let conversations = match self.quiet {
            Some(quiet) => conversations.quiet(quiet),
            None => conversations,
        };
        let conversations = match self.until {
            Some(until) => conversations.until(until),
            None => conversations,
        };
        let found = Box::pin(self.find(&conversations, &session.screen)).await?;
        // The first line is there at once, however long the reading takes.
        let mut head = lines::Head::default();
        if self.output == Output::Line
            && let Some(first) = found.first()
        {
            head = lines::Head::print(first, &rapids, self.state, &session.screen).await?;
        }
        let reading = conversations.read(found);
        let conversations =
            Box::pin(with_bar(conversations.progress(), "reading", reading)).await?;
        self.print(&conversations, &head, &session.screen)?;
        if let Some(cut) = conversations.iter().find(|it| it.end == ReadingEnd::Limit) {
            session.screen.warning(format_args!(
                "there are more packets or letters than are printed: read up to sequence {}",
                cut.read_to
            ));
        }
        if self.follow {
            let following = Following::of(&conversations, self.output == Output::Json, self.state);
            Box::pin(following.run(&rapids, &config, session)).await?;
        }
        Ok(Answer::Yes)
    }

    async fn find(&self, conversations: &Conversations, screen: &Screen) -> Result<Vec<Found>> {
        let progress = conversations.progress();
        if let Some(filter) = &self.which.filter {
            let matches = |packet: &_| {
                filter.matches(packet).unwrap_or_else(|error| {
                    screen.warning(error);
                    false
                })
            };
            let finding = conversations.find_all(matches);
            let found = Box::pin(with_bar(progress, "looking for packets", finding)).await?;
            if found.is_empty() {
                return Err(Fault::NotFound("no packet in the stream matches".to_owned()).into());
            }
            return self.begun(found);
        }
        let Some(id) = &self.which.id else {
            return Ok(Vec::new());
        };
        let finding = conversations.find(id);
        let found = Box::pin(with_bar(progress, "looking for the packet", finding)).await?;
        let found = found.ok_or_else(|| {
            let what = match id {
                Reference::Sequence(_) => "packet with sequence",
                Reference::Id(_) => "packet with the id or correlation id",
            };
            Fault::NotFound(format!("there is no {what} `{id}` in the stream, or it has expired"))
        })?;
        self.begun(vec![found])
    }

    /// Those of the conversations that had begun at the moment that was asked for.
    fn begun(&self, mut found: Vec<Found>) -> Result<Vec<Found>> {
        let (Some(until), Some(first)) = (self.until, found.iter().map(|it| it.stored).min())
        else {
            return Ok(found);
        };
        found.retain(|found| found.stored <= until);
        if found.is_empty() {
            let words = format!("nothing of it was stored by {until}: it begins at {first}");
            return Err(Fault::NotFound(words).into());
        }
        Ok(found)
    }

    fn print(
        &self,
        conversations: &[Conversation],
        head: &lines::Head,
        screen: &Screen,
    ) -> Result<()> {
        match self.output {
            Output::Line => {
                for (place, conversation) in conversations.iter().enumerate() {
                    let head = if place == 0 { head } else { &lines::Head::default() };
                    if place > 0 {
                        screen.line("")?;
                    }
                    lines::print(conversation, head, self.state, screen)?;
                }
            }
            Output::Json => {
                for conversation in conversations {
                    screen.json(&json::conversation(conversation, self.state)?)?;
                }
            }
            Output::Mermaid => {
                let (text, edges) = mermaid::flowchart(conversations);
                screen.bytes(text.as_bytes())?;
                if edges > MOST_EDGES {
                    screen.note(format_args!(
                        "the flowchart has {edges} edges; Mermaid draws more than {MOST_EDGES} only \
                         if its setting `maxEdges` allows it"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Connects to the dead letters; none if there are none yet, or if this user may not read them.
async fn open_letters(config: &Config, screen: &Screen) -> Result<Option<DeadLetters>> {
    match Box::pin(DeadLetters::open(config)).await {
        Err(error @ Error::NotPermitted { .. }) => {
            screen.warning(format_args!("dead letters are not read: {error}"));
            Ok(None)
        }
        opened => Ok(opened?),
    }
}
