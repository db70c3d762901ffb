//! Large answers, kept for a moment: whoever asks the same while nothing of it has changed gets the same bytes.
//!
//! All components of a large cluster are a megabyte that costs milliseconds to put together. Many clients poll for it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

/// Smaller answers cost less than it costs to remember them, bytes.
const BYTES_MIN: usize = 32 << 10;
/// An answer names the revision at which it was made, and changes since then can be watched: it must not become older
/// than what is remembered of changes (100,000 revisions).
const AGE_MAX: Duration = Duration::from_secs(5);

/// Answers by what was asked, the last ones that were asked for.
#[derive(Debug)]
pub struct KeptAnswers<A> {
    bytes_max: usize,
    kept: Mutex<Kept<A>>,
}

#[derive(Debug)]
struct Kept<A> {
    answers: HashMap<Vec<u8>, Answer<A>>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer<A> {
    etag: HeaderValue,
    answer: A,
    bytes: usize,
    made: Instant,
}

impl<A: Clone> KeptAnswers<A> {
    /// Keeps at most so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        let kept = Kept {
            answers: HashMap::new(),
            bytes: 0,
        };
        Self {
            bytes_max,
            kept: Mutex::new(kept),
        }
    }

    /// What was answered to `question` a moment ago, with its ETag: right for as long as that is current.
    pub fn get(&self, question: &[u8], now: Instant) -> Option<(HeaderValue, A)> {
        let mut kept = self.lock();
        kept.forget_old(now);
        let answer = kept.answers.get(question)?;
        Some((answer.etag.clone(), answer.answer.clone()))
    }

    /// Remembers an answer of so many bytes, if it is worth it; the oldest ones make room.
    pub fn keep(&self, question: Vec<u8>, etag: HeaderValue, answer: A, bytes: usize, now: Instant) {
        if !(BYTES_MIN..=self.bytes_max).contains(&bytes) {
            return;
        }
        let mut kept = self.lock();
        kept.forget(&question);
        kept.forget_old(now);
        while kept.bytes + bytes > self.bytes_max {
            kept.forget_oldest();
        }
        kept.bytes += bytes;
        let answer = Answer {
            etag,
            answer,
            bytes,
            made: now,
        };
        kept.answers.insert(question, answer);
    }

    fn lock(&self) -> MutexGuard<'_, Kept<A>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<A> Kept<A> {
    fn forget(&mut self, question: &[u8]) {
        if let Some(answer) = self.answers.remove(question) {
            self.bytes -= answer.bytes;
        }
    }

    fn forget_old(&mut self, now: Instant) {
        self.answers
            .retain(|_, answer| now.duration_since(answer.made) <= AGE_MAX);
        self.bytes = self.answers.values().map(|answer| answer.bytes).sum();
    }

    fn forget_oldest(&mut self) {
        let oldest = self.answers.iter().min_by_key(|(_, answer)| answer.made);
        if let Some(question) = oldest.map(|(question, _)| question.clone()) {
            self.forget(&question);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: HeaderValue = HeaderValue::from_static("\"c-7\"");

    /// One that keeps two answers of the least size, with the given ones in it, a second after each other.
    fn with(questions: &[&str], start: Instant) -> KeptAnswers<usize> {
        let answers = KeptAnswers::new(2 * BYTES_MIN);
        for (second, question) in questions.iter().enumerate() {
            let now = start + Duration::from_secs(second as u64);
            answers.keep(question.as_bytes().to_vec(), ETAG, second, BYTES_MIN, now);
        }
        answers
    }

    fn answer(answers: &KeptAnswers<usize>, question: &str, now: Instant) -> Option<usize> {
        Some(answers.get(question.as_bytes(), now)?.1)
    }

    #[test]
    fn the_oldest_makes_room() {
        let start = Instant::now();
        let answers = with(&["a", "b", "c"], start);
        let now = start + Duration::from_secs(2);
        let found = ["a", "b", "c"].map(|question| answer(&answers, question, now));
        assert_eq!(found, [None, Some(1), Some(2)]);
        assert_eq!(answers.get(b"c", now).unwrap().0, ETAG);
    }

    #[test]
    fn one_question_has_one_answer_and_takes_room_once() {
        let start = Instant::now();
        let answers = with(&["a", "a", "a", "b"], start);
        let found = ["a", "b"].map(|question| answer(&answers, question, start + Duration::from_secs(3)));
        assert_eq!(found, [Some(2), Some(3)]);
    }

    /// Its revision would be too old to watch from.
    #[test]
    fn an_old_answer_is_forgotten_however_often_it_is_asked_for() {
        let start = Instant::now();
        let answers = with(&["a"], start);
        assert_eq!(answer(&answers, "a", start + AGE_MAX), Some(0));
        assert_eq!(
            answer(&answers, "a", start + AGE_MAX + Duration::from_millis(1)),
            None
        );
        assert_eq!(answers.lock().bytes, 0);
    }

    #[test]
    fn small_answers_and_those_without_room_are_not_kept() {
        let answers = KeptAnswers::new(2 * BYTES_MIN);
        let now = Instant::now();
        for bytes in [0, BYTES_MIN - 1, 2 * BYTES_MIN + 1] {
            answers.keep(b"a".to_vec(), ETAG, bytes, bytes, now);
            assert_eq!(answer(&answers, "a", now), None, "{bytes}");
        }
    }
}
