"""ClassAds as wire lines; literals; expressions through classad2."""
