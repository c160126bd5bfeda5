//! Running a model on its own thread, so that the caller can limit how long it waits.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use crate::{Model, ModelError};

/// A scorer on its own thread. [`DetachedScorer::start`] hands rows over, [`DetachedScorer::finish`] waits for their
/// scores up to a time limit. A run cannot be interrupted: after a time-out the next one starts only when it has ended.
#[derive(Debug)]
pub struct DetachedScorer {
    requests: SyncSender<Buffers>,
    answers: Receiver<Answer>,
    /// When the current run was started; `None` if there is none.
    started: Option<Instant>,
    /// Whether the caller has given up on the current run.
    is_stale: bool,
    last_run: Duration,
    /// Buffers for the next run.
    spare: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    rows: Vec<f64>,
    scores: Vec<Option<f32>>,
}

#[derive(Debug)]
struct Answer {
    buffers: Buffers,
    result: Result<(), ModelError>,
    took: Duration,
}

/// Why a [`DetachedScorer`] has no scores.
#[derive(Debug, thiserror::Error)]
pub enum DetachedError {
    /// The time limit has passed and the model still runs. Its result will be dropped.
    #[error("the model did not answer in time")]
    Late,
    /// The rows do not fit the model, or its thread could not be started.
    #[error(transparent)]
    Failed(#[from] ModelError),
}

impl DetachedScorer {
    /// Starts the model's thread. It ends once this is dropped and its last run has ended.
    ///
    /// # Errors
    /// When the operating system cannot start a thread.
    pub fn new(model: &Model) -> Result<DetachedScorer, ModelError> {
        let (requests, received) = sync_channel::<Buffers>(1);
        let (answer, answers) = sync_channel(1);
        let mut scorer = model.scorer();
        let work = move || {
            for mut buffers in received {
                let began = Instant::now();
                let result = scorer.score_each(&buffers.rows, &mut buffers.scores);
                let took = began.elapsed();
                if answer.send(Answer { buffers, result, took }).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("model".to_owned())
            .spawn(work)
            .map_err(|error| ModelError::Run(format!("cannot start a thread for the model: {error}")))?;
        Ok(DetachedScorer {
            requests,
            answers,
            started: None,
            is_stale: false,
            last_run: Duration::ZERO,
            spare: Buffers::default(),
        })
    }

    /// Starts to score rows, given as for [`crate::Scorer::score`]. Returns false, and does nothing, while the model
    /// still runs on earlier rows.
    pub fn start(&mut self, rows: &[f64]) -> bool {
        if self.started.is_some() {
            self.is_stale = true;
            match self.answers.try_recv() {
                Ok(answer) => drop(self.end_run(answer)),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return false,
            }
        }
        let mut buffers = std::mem::take(&mut self.spare);
        buffers.rows.clear();
        buffers.rows.extend_from_slice(rows);
        self.is_stale = false;
        self.started = self.requests.try_send(buffers).is_ok().then(Instant::now);
        self.started.is_some()
    }

    /// Waits for the scores of the rows last started, and replaces `scores` by them; the score of a row that the model
    /// failed on is `None`. Waits until `within` has passed since the start.
    ///
    /// # Errors
    /// [`DetachedError::Late`] when the run has not ended by then, or no run was started.
    pub fn finish(&mut self, within: Duration, scores: &mut Vec<Option<f32>>) -> Result<(), DetachedError> {
        let Some(started) = self.started.filter(|_| !self.is_stale) else {
            return Err(DetachedError::Late);
        };
        match self.answers.recv_timeout(within.saturating_sub(started.elapsed())) {
            Ok(mut answer) => {
                std::mem::swap(scores, &mut answer.buffers.scores);
                self.end_run(answer)?;
                Ok(())
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(DetachedError::Late),
        }
    }

    /// How long the last run took whose end this has seen.
    pub fn last_run(&self) -> Duration {
        self.last_run
    }

    fn end_run(&mut self, answer: Answer) -> Result<(), ModelError> {
        self.spare = answer.buffers;
        self.last_run = answer.took;
        self.started = None;
        answer.result
    }
}
