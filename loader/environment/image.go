package environment

import "regexp"

// Image is the container image of the server, by its reference. Inside a container it is unknown which image a tag stood
// for, so Digest is set only for a reference with a digest.
type Image struct {
	Reference string `json:"reference"`        // "nginx:1.29"
	Digest    string `json:"digest,omitempty"` // "sha256:...", of "nginx@sha256:..."
}

var digest = regexp.MustCompile(`(?:^|@)(sha256:[0-9a-f]{64})$`)

// ImageOf parses the reference of an image; nil for an empty one.
func ImageOf(reference string) *Image {
	if reference == "" {
		return nil
	}
	image := Image{Reference: reference}
	if match := digest.FindStringSubmatch(reference); match != nil {
		image.Digest = match[1]
	}
	return &image
}
