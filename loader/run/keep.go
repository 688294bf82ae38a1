package run

import (
	"leaklab/loader/live"
	"leaklab/loader/record"
	"leaklab/loader/text"
)

// keepProfiles saves the profiles that the sites of readings come from, in the runtime's own format.
func (s *session) keepProfiles() {
	keeper, keeps := s.live.source.(live.Keeper)
	if !keeps || s.record.Sites == nil || s.plan.sites.off {
		return
	}
	files, err := keeper.Keep(s.saveProfile)
	if err != nil {
		note(s.screen.Notes, "loader: a profile is not saved:", err)
	}
	for _, file := range files {
		s.record.Sites.Files = append(s.record.Sites.Files, record.ProfileFile{Name: text.Printable(file.Name), Open: text.Printable(file.Open)})
	}
}
