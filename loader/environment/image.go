package environment

import "regexp"

// Image is the container image of the server, as it was asked for. Nobody inside of a container can tell which image
// a tag stood for, so the digest is known only of one that was asked for by its digest.
type Image struct {
	Reference string `json:"reference"`        // "nginx:1.29"
	Digest    string `json:"digest,omitempty"` // "sha256:...", of "nginx@sha256:..."
}

var digest = regexp.MustCompile(`(?:^|@)(sha256:[0-9a-f]{64})$`)

// ImageOf returns what a reference says of an image; nil for an empty one.
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
