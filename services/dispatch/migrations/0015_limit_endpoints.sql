-- What an endpoint's agency asks of us, beside the operator's limits in `circuits`: the lowest holds. `allowed_per_second` is what the
-- endpoint itself said when it proved its address.
ALTER TABLE endpoints
ADD COLUMN most_in_flight bigint CONSTRAINT endpoints_most_in_flight CHECK (most_in_flight >= 1),
ADD COLUMN most_per_second double precision CONSTRAINT endpoints_most_per_second CHECK (most_per_second > 0),
ADD COLUMN allowed_per_second double precision CONSTRAINT endpoints_allowed_per_second CHECK (allowed_per_second > 0);
