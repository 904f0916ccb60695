//! The list of sources: where each is and how sure the engine is.

use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::colour_map::ColourMap;
use crate::heard::{self, Source};
use crate::input::ViewInput;
use crate::state::ViewState;
use crate::{markers, stage, text, theme, widgets};

const ROW: f32 = 23.0;
const HEADING: f32 = 28.0;
const CAPTION: f32 = 18.0;
const FOOT: f32 = 8.0;

/// How high the list is; the same for any number of sources found, so that the map above stands still.
pub(crate) fn height(open: bool, max_sources: usize) -> f32 {
    HEADING + if open { CAPTION + ROW * max_sources.clamp(1, 8) as f32 + FOOT } else { 2.0 }
}

/// Draws the list into `rect`.
pub(crate) fn draw(ui: &mut Ui, rect: Rect, state: &mut ViewState, input: &ViewInput<'_>) {
    ui.painter().hline(rect.x_range(), rect.top(), egui::Stroke::new(1.0, theme::LINE));
    let inner = rect.shrink2(vec2(theme::PAD, 0.0));
    let mut ui = ui.new_child(egui::UiBuilder::new().id_salt("sources").max_rect(inner));
    ui.shrink_clip_rect(rect);
    ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
    let heard = heard::sources(input.snapshot);
    let sounding = heard.iter().filter(|s| s.sounding).count();
    let remark = format!("{sounding} of at most {}", input.params.max_sources);
    if !widgets::section(&mut ui, "Sources", &remark, &mut state.panels.sources) {
        return;
    }
    let columns = Columns::new(inner);
    let (caption, _) = ui.allocate_exact_size(vec2(inner.width(), CAPTION), Sense::hover());
    columns.caption(&ui, caption);
    egui::ScrollArea::vertical().auto_shrink(false).min_scrolled_height(0.0).show(&mut ui, |ui| {
        for source in &heard {
            let (row, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
            let name = source.track.map_or_else(|| "New source".to_owned(), |id| format!("Source {id}"));
            let pause = if source.sounding { "" } else { ", pausing" };
            let angles = text::angles(&source.direction);
            let label = format!("{name}: {angles} score {}{pause}", text::score(source.score));
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &label));
            response.on_hover_text(match (source.track, source.sounding) {
                (Some(_), true) => "A source keeps its number while it is followed",
                (Some(_), false) => "Not heard at the moment; it gets its number back when it comes back",
                (None, _) => "Just heard: gets a number when it stays",
            });
            columns.row(ui, row, source, state.colour_map);
        }
        if heard.is_empty() {
            let why = match stage::empty_state(input) {
                Some((title, detail)) => format!("{title}. {detail}"),
                None => format!("Nothing scores above the threshold of {}", text::score(input.params.threshold)),
            };
            let (row, _) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
            let at = row.translate(vec2(18.0, 0.0));
            widgets::elided(ui.painter(), at, Align2::LEFT_CENTER, &why, theme::regular(12.5), theme::DIM);
        }
    });
}

/// Where the columns end; numbers are flush right.
struct Columns {
    number: f32,
    azimuth: f32,
    elevation: f32,
    score: f32,
    bar: egui::Rangef,
}

impl Columns {
    fn new(rect: Rect) -> Self {
        let x = rect.left();
        let narrow = rect.width() < 360.0;
        let (number, azimuth) = (x + 26.0, x + if narrow { 84.0 } else { 104.0 });
        let elevation = azimuth + if narrow { 62.0 } else { 84.0 };
        let score = elevation + if narrow { 50.0 } else { 70.0 };
        Self { number, azimuth, elevation, score, bar: egui::Rangef::new(score + 16.0, rect.right()) }
    }

    fn caption(&self, ui: &Ui, rect: Rect) {
        let y = rect.center().y - 1.0;
        for (x, name) in [(self.azimuth, "azimuth"), (self.elevation, "elevation"), (self.score, "score")] {
            ui.painter().text(pos2(x, y), Align2::RIGHT_CENTER, name, theme::regular(11.0), theme::DIM);
        }
    }

    fn row(&self, ui: &Ui, rect: Rect, source: &Source, colours: ColourMap) {
        let painter = ui.painter();
        let y = rect.center().y;
        painter.hline(rect.x_range(), rect.top(), egui::Stroke::new(1.0, theme::with_alpha(theme::LINE, 130)));
        let colour = source.track.map_or(theme::ACCENT, markers::track_colour);
        painter.text(pos2(self.number, y), Align2::RIGHT_CENTER, source.number(), theme::bold(12.5), colour);
        let d = source.direction;
        let text_colour = if source.sounding { theme::TEXT } else { theme::DIM };
        for (x, value) in
            [(self.azimuth, text::degrees(d.azimuth_deg())), (self.elevation, text::degrees(d.elevation_deg()))]
        {
            painter.text(pos2(x, y), Align2::RIGHT_CENTER, value, theme::regular(13.0), text_colour);
        }
        painter.text(
            pos2(self.score, y),
            Align2::RIGHT_CENTER,
            if source.sounding { text::score(source.score) } else { "pause".to_owned() },
            theme::bold(13.0),
            text_colour,
        );
        if self.bar.span() > 20.0 {
            let rail = Rect::from_x_y_ranges(self.bar, y - 3.0..=y + 3.0);
            painter.rect_filled(rail, 3, theme::RAISED);
            let score = if source.score.is_finite() && source.sounding { source.score.clamp(0.0, 1.0) } else { 0.0 };
            let filled = Rect::from_min_size(rail.min, vec2(rail.width() * score, rail.height()));
            // Never so dark that the bar is lost on its rail.
            painter.rect_filled(filled, 3, colours.colour(0.35 + 0.55 * score));
        }
    }
}
