package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// mostEnvFile is how large an env file may be, in bytes.
const mostEnvFile = 1 << 20

// byteOrderMark is what editors of Windows put before a text in UTF-8. Compose leaves it out as well.
const byteOrderMark = "\uFEFF"

// LoadEnvFile reads the settings of a file into the environment of this process. What the environment has already stays,
// also if it is empty. The file has NAME=VALUE in each line, each NAME once, or a line that begins with #. Compose would
// take quotes and comments after a VALUE away, so they are refused. The error names all wrong lines by number, without
// their values, and then nothing is set.
func LoadEnvFile(path string) error {
	content, err := readEnvFile(path)
	if err != nil {
		return fmt.Errorf("ENV_FILE=%q: expected a file that can be read: %w", path, err)
	}
	values, err := parseEnvFile(path, content)
	if err != nil {
		return err
	}
	for _, v := range values {
		if _, exported := os.LookupEnv(v.name); exported {
			continue
		}
		if err := os.Setenv(v.name, v.value); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", path, v.line, v.name, err)
		}
	}
	return nil
}

// CheckEnvFile fails when a file has a name that is no setting. Its values are not looked at: Compose has read them. A
// file that only its owner may read is not checked, since the loader's user in a container is another.
func CheckEnvFile(path string) error {
	content, err := readEnvFile(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("CHECK_ENV_FILE=%q: expected a file that can be read: %w", path, err)
	}
	var wrong []error
	settings, number := byName(), 0
	for line := range strings.Lines(content) {
		number++
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		if name = strings.TrimSpace(name); envName.MatchString(name) {
			wrong = append(wrong, unknownIn(settings, path, number, name))
		}
	}
	return errors.Join(wrong...)
}

func readEnvFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", errors.New("it is not a regular file")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, mostEnvFile+1))
	if err == nil && len(content) > mostEnvFile {
		err = fmt.Errorf("it is larger than %d MiB", mostEnvFile>>20)
	}
	return strings.TrimPrefix(string(content), byteOrderMark), err
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// fileValue is a line of an env file.
type fileValue struct {
	line        int
	name, value string
}

// parseEnvFile returns the values of a file, in its order; path is for the error.
func parseEnvFile(path, content string) ([]fileValue, error) {
	var values []fileValue
	var wrong []error
	seen := make(map[string]bool)
	settings, number := byName(), 0
	for line := range strings.Lines(content) {
		number++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(line, "=")
		expected := ""
		switch {
		case !found || !envName.MatchString(name):
			expected = "NAME=VALUE"
		case seen[name]:
			expected = "each NAME once"
		case strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'") || strings.Contains(value, " #"):
			expected = "no quotes around a VALUE, and no comment after it"
		case strings.Contains(value, "\x00"):
			expected = "no NUL in a VALUE"
		}
		if expected != "" {
			wrong = append(wrong, fmt.Errorf("%s:%d: expected %s, found: %s", path, number, expected, name))
		} else if err := unknownIn(settings, path, number, name); err != nil {
			wrong = append(wrong, err)
		}
		seen[name] = true
		values = append(values, fileValue{number, name, value})
	}
	return values, errors.Join(wrong...)
}

// ofCompose are the beginnings of names in .env that are for Docker and Compose.
var ofCompose = []string{"COMPOSE_", "DOCKER_", "BUILDKIT_", "BUILDX_"}

// unknownIn returns the error for a name in a line of a file, if it is no setting.
func unknownIn(settings map[string]Setting, path string, line int, name string) error {
	if _, known := settings[name]; known {
		return nil
	}
	for _, prefix := range ofCompose {
		if strings.HasPrefix(name, prefix) {
			return nil
		}
	}
	var names []string
	for _, s := range Settings() { // in their order
		names = append(names, s.Name)
	}
	hint := "what is for the server alone belongs into the shell"
	if meant := nearest(name, names); meant != "" {
		hint = fmt.Sprintf("did you mean %s?", meant)
	}
	return fmt.Errorf("%s:%d: %s: expected a setting; %s", path, line, name, hint)
}
