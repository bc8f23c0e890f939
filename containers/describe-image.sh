#!/bin/sh
# Prints what the image says of itself. Arguments: version, folder of the programs, where tensorflow_model_server would be.
set -eu
echo "Sluice $1: the stages of a machine-learning pipeline."
echo
echo "  python -m components.<stage> --help"
for folder in "$2"/components/[a-z]*/; do
    echo "    $(basename "$folder")"
done
echo "  python -m serving --help"
echo
if [ -x "$3" ]; then
    version=$("$3" --version)
    echo "tensorflow_model_server: $(echo "$version" | head -n 1)"
else
    echo "tensorflow_model_server: absent. validate_serving asks the model server of Sluice instead."
fi
