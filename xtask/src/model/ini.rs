//! Alembic's ini files, read exactly as Python's `configparser.ConfigParser({"here": …})` reads them: sections, the
//! DEFAULT section, continuation lines, comments, duplicates refused, and interpolation of `%(name)s` and `%%`.
//!
//! Not with the `configparser` crate: it merges duplicates that Python refuses, ends a continuation by other rules,
//! takes `[a]b]` for another section than Python does, and keeps no line numbers for an error to point at.
//!
//! Errors never show a value: it may be a URL with a password.

use std::fmt;

/// How deep references may nest; Python's `MAX_INTERPOLATION_DEPTH`.
const MAX_DEPTH: usize = 10;
/// The section whose options all others inherit.
const DEFAULT: &str = "DEFAULT";

/// An ini file, values as they stand; [`Ini::get`] interpolates.
#[derive(Clone, Debug)]
pub struct Ini {
    defaults: Section,
    sections: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    name: String,
    options: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    value: String,
    /// The line of the option's name, from 1; `None` for `here`, which no file holds.
    line: Option<usize>,
}

/// Why a file or a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IniError {
    /// The line, from 1: of the offending text, or of the option whose value cannot be interpolated.
    pub line: Option<usize>,
    /// The option that was asked for, where the fault is in a value.
    pub option: Option<String>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with an ini file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// An option before the first section header.
    NoSection,
    /// A line that is neither a section header nor an option nor a continuation.
    NotAnOption,
    /// A line that begins with `=` or `:`.
    NoName,
    /// A section that stands in the file twice.
    DuplicateSection(String),
    /// An option that stands in its section twice.
    DuplicateOption(String),
    /// `%(name)s` where no such option exists.
    UnknownReference(String),
    /// `%(` without `)s`.
    BadReference,
    /// A `%` that is followed by neither `%` nor `(`.
    LonePercent,
    /// References that refer to each other, or nest too deeply.
    TooDeep,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NoSection => write!(f, "an option stands before the first [section]"),
            Problem::NotAnOption => write!(f, "neither a [section] nor `name = value`"),
            Problem::NoName => write!(f, "a value without a name"),
            Problem::DuplicateSection(name) => write!(f, "section [{name}] stands here for the second time"),
            Problem::DuplicateOption(name) => write!(f, "option `{name}` stands here for the second time"),
            Problem::UnknownReference(name) => write!(f, "`%({name})s` refers to an option that does not exist"),
            Problem::BadReference => write!(f, "`%(` without a closing `)s`"),
            Problem::LonePercent => write!(f, "a single `%`, which is written `%%` in this file"),
            Problem::TooDeep => write!(f, "references nested more than {MAX_DEPTH} deep, or in a circle"),
        }
    }
}

impl fmt::Display for IniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(option) = &self.option {
            write!(f, "option `{option}`: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for IniError {}

impl Ini {
    /// Reads the text of a file; `here` is the file's folder, for `%(here)s`.
    pub fn parse(text: &str, here: &str) -> Result<Ini, IniError> {
        let mut reader = Reader::new(here);
        // Python opens files with universal newlines: all three line ends are one.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for (index, line) in text.split('\n').enumerate() {
            reader.line(line, index + 1)?;
        }
        Ok(reader.finish())
    }

    /// Whether there is such a section; DEFAULT does not count, as in Python.
    pub fn has_section(&self, section: &str) -> bool {
        self.section(section).is_some()
    }

    /// An option's value with its references resolved; `None` where the section or the option does not exist.
    pub fn get(&self, section: &str, option: &str) -> Result<Option<String>, IniError> {
        let Some(section) = self.section(section) else { return Ok(None) };
        let Some(entry) = self.entry(section, &option.to_lowercase()) else { return Ok(None) };
        let mut value = String::new();
        match self.interpolate(section, &entry.value, 1, &mut value) {
            Ok(()) => Ok(Some(value)),
            Err(problem) => Err(IniError { line: entry.line, option: Some(entry.name.clone()), problem }),
        }
    }

    /// The line of an option's name, from 1; of its DEFAULT where the section itself has none.
    pub fn line(&self, section: &str, option: &str) -> Option<usize> {
        self.entry(self.section(section)?, &option.to_lowercase())?.line
    }

    /// The names of the sections, in the file's order, without DEFAULT.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().map(|section| section.name.as_str())
    }

    /// The names of a section's options, its own first and then those it inherits from DEFAULT.
    pub fn options(&self, section: &str) -> Vec<&str> {
        let Some(section) = self.section(section) else { return Vec::new() };
        let inherited = self.defaults.options.iter().filter(|entry| section.entry(&entry.name).is_none());
        section.options.iter().chain(inherited).map(|entry| entry.name.as_str()).collect()
    }

    fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    fn entry<'a>(&'a self, section: &'a Section, name: &str) -> Option<&'a Entry> {
        section.entry(name).or_else(|| self.defaults.entry(name))
    }

    /// Python's `BasicInterpolation._interpolate_some`.
    fn interpolate(&self, section: &Section, raw: &str, depth: usize, out: &mut String) -> Result<(), Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::TooDeep);
        }
        let mut rest = raw;
        while let Some(at) = rest.find('%') {
            out.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                out.push('%');
                rest = after;
            } else if let Some(reference) = rest.strip_prefix('(') {
                let (name, after) = closed(reference).ok_or(Problem::BadReference)?;
                let name = name.to_lowercase();
                let Some(entry) = self.entry(section, &name) else { return Err(Problem::UnknownReference(name)) };
                // Python looks into a value only if it holds a `%`, so only then does the depth count.
                if entry.value.contains('%') {
                    self.interpolate(section, &entry.value, depth + 1, out)?;
                } else {
                    out.push_str(&entry.value);
                }
                rest = after;
            } else {
                return Err(Problem::LonePercent);
            }
        }
        out.push_str(rest);
        Ok(())
    }
}

/// The name and what follows of `name)s…`; `None` where it is not closed like that, or empty.
fn closed(reference: &str) -> Option<(&str, &str)> {
    let (name, after) = reference.split_once(')')?;
    let after = after.strip_prefix('s')?;
    (!name.is_empty()).then_some((name, after))
}

impl Section {
    fn new(name: &str) -> Section {
        Section { name: name.to_owned(), options: Vec::new() }
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.options.iter().find(|entry| entry.name == name)
    }
}

/// The state between two lines; Python's `RawConfigParser._read`.
struct Reader {
    ini: Ini,
    /// Where options go: `None` before the first header, `Some(None)` in DEFAULT.
    section: Option<Option<usize>>,
    /// The option in that section which a deeper line continues.
    option: Option<usize>,
    /// The indentation of the last header or option; a deeper line continues the option.
    indent: usize,
}

impl Reader {
    fn new(here: &str) -> Reader {
        let mut defaults = Section::new(DEFAULT);
        defaults.options.push(Entry { name: "here".to_owned(), value: here.to_owned(), line: None });
        Reader { ini: Ini { defaults, sections: Vec::new() }, section: None, option: None, indent: 0 }
    }

    fn line(&mut self, line: &str, number: usize) -> Result<(), IniError> {
        let value = line.trim_matches(is_space);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        if value.is_empty() {
            self.continue_option("");
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_space(c)).count();
        if self.option.is_some() && indent > self.indent {
            self.continue_option(value);
            return Ok(());
        }
        self.indent = indent;
        let result = match header(value) {
            Some(name) => self.begin_section(name),
            None => self.begin_option(value, number),
        };
        result.map_err(|problem| IniError { line: Some(number), option: None, problem })
    }

    fn begin_section(&mut self, name: &str) -> Result<(), Problem> {
        self.option = None;
        if name == DEFAULT {
            self.section = Some(None);
            return Ok(());
        }
        if self.ini.section(name).is_some() {
            return Err(Problem::DuplicateSection(name.to_owned()));
        }
        self.ini.sections.push(Section::new(name));
        self.section = Some(Some(self.ini.sections.len() - 1));
        Ok(())
    }

    fn begin_option(&mut self, text: &str, number: usize) -> Result<(), Problem> {
        let Some(section) = self.current() else { return Err(Problem::NoSection) };
        let (name, value) = text.split_once(['=', ':']).ok_or(Problem::NotAnOption)?;
        let name = name.trim_end_matches(is_space).to_lowercase();
        if name.is_empty() {
            return Err(Problem::NoName);
        }
        let value = value.trim_matches(is_space).to_owned();
        let entry = Entry { name, value, line: Some(number) };
        let option = match section.options.iter().position(|other| other.name == entry.name) {
            None => {
                section.options.push(entry);
                section.options.len() - 1
            }
            // A file's own `here` in DEFAULT takes the place of the one that is given.
            Some(index) if section.options[index].line.is_none() => {
                section.options[index] = entry;
                index
            }
            Some(_) => return Err(Problem::DuplicateOption(entry.name)),
        };
        self.option = Some(option);
        Ok(())
    }

    fn continue_option(&mut self, text: &str) {
        let Some(option) = self.option else { return };
        if let Some(entry) = self.current().and_then(|section| section.options.get_mut(option)) {
            entry.value.push('\n');
            entry.value.push_str(text);
        }
    }

    fn current(&mut self) -> Option<&mut Section> {
        match self.section? {
            None => Some(&mut self.ini.defaults),
            Some(index) => self.ini.sections.get_mut(index),
        }
    }

    fn finish(mut self) -> Ini {
        for section in self.ini.sections.iter_mut().chain([&mut self.ini.defaults]) {
            for entry in section.options.iter_mut().filter(|entry| entry.line.is_some()) {
                entry.value.truncate(entry.value.trim_end_matches(is_space).len());
            }
        }
        self.ini
    }
}

/// The name in a section header: everything up to the last `]`, whatever follows it.
fn header(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let name = &inside[..inside.rfind(']')?];
    (!name.is_empty()).then_some(name)
}

/// Python's `str.isspace`, which counts four separators that Rust does not.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
