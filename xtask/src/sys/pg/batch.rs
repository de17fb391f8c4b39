//! Sends several statements in one round trip, and makes a read-only transaction that begins with the first and ends
//! with the last of them: over a slow line the round trip is what costs, not the statement.

use postgres::{Client, Error, GenericClient, SimpleQueryMessage, SimpleQueryRow, Transaction};

/// What one statement that gives rows has answered, as text.
pub(super) struct Answer {
    pub columns: Vec<String>,
    pub rows: Vec<SimpleQueryRow>,
}

impl Answer {
    /// A column of the first row.
    pub fn text(&self, column: usize) -> Option<&str> {
        self.rows.first().and_then(|row| row.get(column))
    }
}

/// The answers of those statements that give rows, in their order.
pub(super) fn batch<C: GenericClient>(client: &mut C, sql: &str) -> Result<Vec<Answer>, Error> {
    let mut answers: Vec<Answer> = Vec::new();
    for message in client.simple_query(sql)? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let columns = columns.iter().map(|column| column.name().to_owned()).collect();
                answers.push(Answer { columns, rows: Vec::new() });
            }
            SimpleQueryMessage::Row(row) => {
                if let Some(answer) = answers.last_mut() {
                    answer.rows.push(row);
                }
            }
            _ => {}
        }
    }
    Ok(answers)
}

/// A look at one moment of the database that leaves nothing behind: neither settings nor a transaction.
pub(super) struct Reading<'c, C: GenericClient> {
    client: &'c mut C,
    begin: &'static str,
    end: &'static str,
    is_open: bool,
}

impl<'c> Reading<'c, Client> {
    pub fn new(client: &'c mut Client) -> Reading<'c, Client> {
        let begin = "begin isolation level repeatable read, read only;\n";
        Reading { client, begin, end: "rollback;\n", is_open: false }
    }
}

impl<'c, 't> Reading<'c, Transaction<'t>> {
    /// Inside a transaction that is already open: its uncommitted work is seen, and its settings stay as they were.
    pub fn within(client: &'c mut Transaction<'t>) -> Reading<'c, Transaction<'t>> {
        let end = "rollback to savepoint xtask_reading; release savepoint xtask_reading;\n";
        Reading { client, begin: "savepoint xtask_reading;\n", end, is_open: false }
    }
}

impl<C: GenericClient> Reading<'_, C> {
    /// Asks, and stays open for what the answers lead to.
    pub fn ask(&mut self, sql: &str) -> Result<Vec<Answer>, Error> {
        let begin = if std::mem::replace(&mut self.is_open, true) { "" } else { self.begin };
        batch(self.client, &format!("{begin}{sql}"))
    }

    /// Asks for the last time.
    pub fn end(mut self, sql: &str) -> Result<Vec<Answer>, Error> {
        let answers = self.ask(&format!("{sql}{}", self.end))?;
        self.is_open = false;
        Ok(answers)
    }
}

impl<C: GenericClient> Drop for Reading<'_, C> {
    fn drop(&mut self) {
        if self.is_open {
            // Something failed, and that is what is told.
            let _ = self.client.batch_execute(self.end);
        }
    }
}
