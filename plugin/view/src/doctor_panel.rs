//! What the layout doctor has found: each finding with its evidence, and a button where a click can mend it.

use egui::{Color32, RichText, Ui, vec2};
use spherescope_dsp::doctor::{Finding, Severity};

use crate::edits::Editor;
use crate::input::ViewInput;
use crate::theme;

/// The findings of the layout and of the sound, the worst first.
pub(crate) fn findings<'a>(input: &'a ViewInput<'_>) -> Vec<&'a Finding> {
    let mut all: Vec<&Finding> = input.snapshot.findings.iter().collect();
    all.sort_by_key(|f| std::cmp::Reverse(f.severity));
    all
}

/// What is said beside the heading.
pub(crate) fn remark(findings: &[&Finding]) -> String {
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => "nothing to mend".into(),
        (0, 1) => "1 warning".into(),
        (0, n) => format!("{n} warnings"),
        (1, _) => "1 error".into(),
        (n, _) => format!("{n} errors"),
    }
}

fn colour(severity: Severity) -> Color32 {
    match severity {
        Severity::Info => theme::ACCENT,
        Severity::Warning => theme::WARN,
        Severity::Error => theme::ERROR,
    }
}

/// Draws the findings.
pub(crate) fn show(ui: &mut Ui, input: &ViewInput<'_>, editor: &mut Editor<'_>) {
    let findings = findings(input);
    for (i, finding) in findings.iter().enumerate() {
        ui.push_id(i, |ui| {
            ui.horizontal(|ui| {
                let (dot, _) = ui.allocate_exact_size(vec2(10.0, 16.0), egui::Sense::hover());
                ui.painter().circle_filled(dot.center(), 4.0, colour(finding.severity));
                let title = RichText::new(&finding.title).font(theme::bold(12.5));
                ui.add(egui::Label::new(title).wrap());
            });
            let evidence = RichText::new(&finding.evidence).size(12.0).color(theme::DIM);
            ui.add(egui::Label::new(evidence).wrap());
            if let Some(remedy) = &finding.remedy
                && ui.button(RichText::new(remedy.label()).size(12.5)).on_hover_text("Undo takes it back").clicked()
            {
                editor.apply(&remedy.label(), None, remedy.apply(input.layout));
            }
        });
        ui.add_space(4.0);
    }
    let word = match input.snapshot.doctor_heard_s {
        s if s < 1.0 => "Listening for dead, clipped, doubled, inverted and swapped channels: let somebody speak from several places".into(),
        s => format!("Heard {s:.0} s of sound. Swapped channels show once sound has come from several places"),
    };
    ui.add(egui::Label::new(RichText::new(word).size(11.5).color(theme::DIM)).wrap());
}
